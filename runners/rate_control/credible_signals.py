"""What a reply says about limits in, the parts of it that a provider can mean out."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from config.rate_signal import Meter, RateSignal

FEWEST_REQUESTS_PER_MINUTE, FEWEST_TOKENS_PER_MINUTE = 1.0, 100.0
MOST_PER_MINUTE = 1e9
"""No provider's limit lies outside: a proxy's mistake would put a run to sleep for days."""
LONGEST_WAIT_SECONDS = 180.0
"""A longer wait is cut short by a probe: whoever asks for an hour is often back in a minute."""
LONGEST_DAILY_WAIT_SECONDS = 25 * 3600.0


@dataclass(frozen=True, slots=True)
class Credible:
    """The signals of one reply that count; odd: limits that it cannot have meant, as it put them.

    wait_seconds: how long it asks to wait, 0 where it does not.
    """

    signals: Sequence[RateSignal]
    odd: Sequence[RateSignal]
    wait_seconds: float


def credible(signals: Iterable[RateSignal]) -> Credible:
    """Return what can be believed; -1 and 0 are no limits (Azure sends them), nor odd ones."""
    kept: list[RateSignal] = []
    odd: list[RateSignal] = []
    for signal in signals:
        limit = signal.limit_per_minute
        if limit is None or is_credible_limit(signal.meter, limit):
            kept.append(_with_credible_figures(signal))
            continue
        if 0 < limit < math.inf:
            odd.append(signal)
        if signal.retry_after_seconds is not None:
            kept.append(
                _with_credible_figures(RateSignal(retry_after_seconds=signal.retry_after_seconds))
            )
    is_daily = any(signal.is_daily for signal in kept)
    longest = LONGEST_DAILY_WAIT_SECONDS if is_daily else LONGEST_WAIT_SECONDS
    asked = max((signal.retry_after_seconds or 0.0 for signal in kept), default=0.0)
    return Credible(kept, odd, min(asked, longest))


def is_credible_limit(meter: Meter | None, per_minute: float) -> bool:
    """Return whether any provider has such a limit."""
    tokens = meter is not None and meter.endswith("tokens")
    fewest = FEWEST_TOKENS_PER_MINUTE if tokens else FEWEST_REQUESTS_PER_MINUTE
    return fewest <= per_minute <= MOST_PER_MINUTE


def _with_credible_figures(signal: RateSignal) -> RateSignal:
    wait = signal.retry_after_seconds
    if wait is not None and not wait >= 0:
        wait = None
    remaining, reset = signal.remaining, signal.reset_seconds
    if remaining is not None and not (math.isfinite(remaining) and remaining >= 0):
        remaining = None
    if remaining is not None and remaining != int(remaining):
        remaining = None
    if reset is not None and not (math.isfinite(reset) and reset >= 0):
        reset = None
    return replace(signal, remaining=remaining, reset_seconds=reset, retry_after_seconds=wait)
