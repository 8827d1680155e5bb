"""One answer as it stands in a category's .jsonl file.

The bounds hold where a line is read; record_json.py says what becomes of a figure beyond them.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from config.collection_settings import MOST_SAMPLES

Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]
Moment = Annotated[float, msgspec.Meta(ge=0.0, le=32_503_680_000.0)]  # from 1970 to 3000
Usd = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]
Complexity = Annotated[int, msgspec.Meta(ge=-(10**12), le=10**12)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]

JsonObject = Mapping[str, object]  # named before a field that is called object
Sample = Annotated[int, msgspec.Meta(ge=1, le=MOST_SAMPLES)]
TaskKey = tuple[str, int]  # (task_id, sample): what one model is asked for once
FinishReason = Literal["stop", "length", "refusal", "filtered", "other"]
GAVE_UP = "gave_up"  # the extraction method of a reply that could not be read within its bounds


def task_name(key: TaskKey) -> str:
    """Return what people are told: the task id, from the second sample on with its number."""
    task_id, sample = key
    return task_id if sample == 1 else f"{task_id}#{sample}"


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one call: cached is part of input, reasoning is part of output."""

    input_tokens: Count
    cached_tokens: Count = 0
    output_tokens: Count
    reasoning_tokens: Count = 0


class ExtractionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How extracted_solution was come by.

    reason: why the reply could not be read, where the method is GAVE_UP.
    model: the LLM that was asked, None where none was.
    """

    method: str
    version: str
    candidates: Count
    ambiguous: bool
    truncated: bool
    span: tuple[Count, Count] | None = None
    model: str | None = None
    cost_usd: Usd | None = None
    reason: str | None = None


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The batch that an answer came in; its times are the whole batch's, not the answer's.

    id: the provider's name for it; custom_id: the row's.
    """

    id: str
    custom_id: str
    created_at: Moment
    ended_at: Moment


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One try of one call: when it left, what came of it, and how long the wait before it was."""

    started: Moment
    seconds: Seconds
    wait_seconds: Seconds
    status: Count | None = None
    error: str | None = None
    message: str | None = None


class FailureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of failures.jsonl; a later answer to the same task supersedes it.

    name, object, complexity, problem: as in SolutionRecord; older sessions did not keep them, nor
    requested_model, the API id.
    """

    task_id: str
    model: str
    category: str
    error: str
    message: str
    attempts: list[AttemptRecord]
    timestamp: Moment
    sample: Sample = 1
    name: str | None = None
    object: str | None = None
    complexity: Complexity | None = None
    problem: str | None = None
    requested_model: str | None = None

    @property
    def key(self) -> TaskKey:
        return self.task_id, self.sample


class SolutionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of <model>/<category>.jsonl. Times are in seconds.

    model: the label, which also names the folder; requested_model is the API id.
    execution_time: the last attempt alone; wait_time: all waiting for rate and retries.
    requested_tier, served_tier: the service tier asked for and named by the reply, in the
        provider's words; null where there was none.
    usage_note: what the provider counted that cannot be meant; usage and cost_usd are null then.
    validation: guide-shaped verdict on extracted_solution.
    escaped_surrogates: how many lone surrogates, which UTF-8 cannot hold, stand in the texts
        spelled out as \\udXXX.
    sample: which of the model's answers to the problem this is, from 1.
    batch: the batch that it came in, None for a call; execution_time is the whole batch's then,
        and no latency.
    """

    task_id: str
    model: str
    problem: str
    category: str
    complexity: Complexity | None
    raw_response: str
    extracted_solution: str
    validation: JsonObject
    llm_call_success: bool
    execution_time: Seconds
    timestamp: Moment
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
    cost_usd: Usd | None = None
    attempts: Annotated[int, msgspec.Meta(ge=1, le=10**12)] = 1
    wait_time: Seconds = 0.0
    extraction: ExtractionRecord | None = None
    escaped_surrogates: Count = 0
    usage_note: str | None = None
    requested_tier: str | None = None
    served_tier: str | None = None
    sample: Sample = 1
    batch: BatchRecord | None = None

    @property
    def key(self) -> TaskKey:
        return self.task_id, self.sample

    @property
    def latency(self) -> float | None:
        """How long the answer took, None where it came in a batch."""
        return None if self.batch else self.execution_time
