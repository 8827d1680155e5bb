"""One answer as it stands in a category's .jsonl file."""

from collections.abc import Mapping
from typing import Literal

import msgspec

JsonObject = Mapping[str, object]  # named before a field that is called object
FinishReason = Literal["stop", "length", "refusal", "filtered", "other"]


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one call: cached is part of input, reasoning is part of output."""

    input_tokens: int
    cached_tokens: int = 0
    output_tokens: int
    reasoning_tokens: int = 0


class ExtractionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How extracted_solution was come by; model: the LLM that was asked, None where none was."""

    method: str
    version: str
    candidates: int
    ambiguous: bool
    truncated: bool
    span: tuple[int, int] | None = None
    model: str | None = None
    cost_usd: float | None = None


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One try of one call: when it left, what came of it, and how long the wait before it was."""

    started: float
    seconds: float
    wait_seconds: float
    status: int | None = None
    error: str | None = None
    message: str | None = None


class FailureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of failures.jsonl; a later answer to the same task supersedes it."""

    task_id: str
    model: str
    category: str
    error: str
    message: str
    attempts: list[AttemptRecord]
    timestamp: float


class SolutionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of <model>/<category>.jsonl. Times are in seconds.

    model: the label, which also names the folder; requested_model is the API id.
    execution_time: the last attempt alone; wait_time: all waiting for rate and retries.
    validation: guide-shaped verdict on extracted_solution.
    escaped_surrogates: how many lone surrogates, which UTF-8 cannot hold, stand in the texts
        spelled out as \\udXXX.
    """

    task_id: str
    model: str
    problem: str
    category: str
    complexity: int | None
    raw_response: str
    extracted_solution: str
    validation: JsonObject
    llm_call_success: bool
    execution_time: float
    timestamp: float
    name: str = ""
    object: str | None = None
    prompt_version: str = ""
    parameters: JsonObject = msgspec.field(default_factory=dict)
    requested_model: str = ""
    served_model: str | None = None
    request_id: str | None = None
    finish_reason: FinishReason = "stop"
    reasoning_text: str | None = None
    usage: UsageRecord | None = None
    cost_usd: float | None = None
    attempts: int = 1
    wait_time: float = 0.0
    extraction: ExtractionRecord | None = None
    escaped_surrogates: int = 0
