"""What one call is sent with, and what it brings back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from config.rate_signal import RateSignal
from config.service_tier import REQUEST_SECONDS, CallTier
from config.token_usage import Usage

FinishReason = Literal["stop", "length", "refusal", "filtered", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What one call brought back.

    text: the answer alone, without the model's thinking; "" where there was none.
    parameters: the request's parameters as sent, prompt and credentials apart.
    usage: None where the provider did not say, or said what cannot be meant.
    usage_note: what it said that cannot be meant.
    served_model: the model that the reply names, which may differ from the one asked for.
    served_tier: the service tier that it names, likewise; it decides about the price.
    """

    text: str
    finish_reason: FinishReason = "stop"
    served_model: str | None = None
    served_tier: str | None = None
    request_id: str | None = None
    reasoning_text: str | None = None
    usage: Usage | None = None
    usage_note: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    signals: tuple[RateSignal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What the user set for every call; None leaves it to the model's row or the default.

    tier: what calls ask for where the model has it.
    openai_organization, openai_project: ids that go to OpenAI alone (OPENAI_ORG_ID,
        OPENAI_PROJECT_ID).
    key_variable: the variable that holds the key, "" for the one that the model's row names.
    secrets: every key of the run, which no text may repeat.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    request_timeout_seconds: float = REQUEST_SECONDS
    tier: CallTier = "default"
    openai_organization: str | None = None
    openai_project: str | None = None
    key_variable: str = ""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
