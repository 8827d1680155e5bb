"""What one reply said about the provider's limits."""

from dataclasses import dataclass
from typing import Literal

Meter = Literal["requests", "tokens", "input_tokens", "output_tokens", "concurrency"]
LimitScope = Literal["key", "model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSignal:
    """One limit as a reply described it; None where the reply did not say.

    meter: what is counted; None on a refusal that does not name it.
    scope: whose count it is, the whole API key's or the model's.
    limit_per_minute: how much is permitted a minute (per-second limits are times 60).
    remaining: how much may still be sent in the provider's present window.
    reset_seconds: until that window is whole again, from the reply's arrival.
    retry_after_seconds: the least wait before another call, from the reply's arrival.
    is_daily: a day's quota is used up, so that a wait of hours is meant.
    """

    meter: Meter | None = None
    scope: LimitScope | None = None
    limit_per_minute: float | None = None
    remaining: float | None = None
    reset_seconds: float | None = None
    retry_after_seconds: float | None = None
    is_daily: bool = False
