"""All meters of one scope, an API key or one of its models: a request must pass every one."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from config.rate_signal import Meter, RateSignal
from runners.rate_control.concurrency_learning import ConcurrencyLearner
from runners.rate_control.rate_learning import RateLearner, Tell

TellOf = Callable[[Meter], Tell]


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request costs; output is an estimate until its reply is there."""

    input_tokens: int
    output_tokens: float

    def amount(self, meter: Meter) -> float:
        """Return the cost on a meter, in its own unit."""
        if meter == "requests":
            return 1.0
        if meter == "input_tokens":
            return self.input_tokens
        if meter == "output_tokens":
            return self.output_tokens
        return self.input_tokens + self.output_tokens


class LimitLevel:
    """The meters of one scope; those for requests and for tokens watch from the start."""

    def __init__(
        self,
        tell_of: TellOf,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self._tell_of = tell_of
        self._outages_seen = 0
        self.in_flight = ConcurrencyLearner()
        self.meters: dict[Meter, RateLearner] = {
            "requests": RateLearner(requests_per_minute, tell_of("requests")),
            "tokens": RateLearner(tokens_per_minute, tell_of("tokens"), uneven=True),
        }

    def meter(self, meter: Meter) -> RateLearner:
        """Return the meter's learner; one that was never heard of knows what tokens were sent."""
        if meter not in self.meters:
            learner = self.meters[meter] = RateLearner(None, self._tell_of(meter), uneven=True)
            learner.log = deepcopy(self.meters["tokens"].log)
        return self.meters[meter]

    @property
    def outages(self) -> int:
        """How often all was refused for a while by what was no limit."""
        return sum(learner.outages for learner in self.meters.values())

    def ready_at(self, now: float, *, regardless_of: Meter | None = None) -> float:
        """Return when every meter would let a request pass; infinity: not before a reply.

        regardless_of: a meter of which only a wait counts that the provider asked for. A trial
        goes at once: by the time that the pace allows more, the limit has room for all of it.
        """
        ready_at = max(
            [
                learner.told_until if meter == regardless_of else learner.ready_at(now)
                for meter, learner in self.meters.items()
            ]
        )
        if self.outages != self._outages_seen:
            self._outages_seen = self.outages
            self.in_flight.begin_again()
        return math.inf if self.in_flight.is_full() else ready_at

    def is_free_but_for(self, meter: Meter) -> bool:
        """Return whether nothing else is blocked, and calls in flight are not limited."""
        if self.in_flight.limit is not None:
            return False
        return all(other.block is None for name, other in self.meters.items() if name != meter)

    def sent(self, now: float, charge: Charge, *, probes: bool = True) -> None:
        """Count a request that leaves now; probes: it tells whether a block is over."""
        self.in_flight.sent()
        for meter, learner in self.meters.items():
            learner.sent(now, charge.amount(meter), probes=probes)

    def unsent(self, sent_at: float, charge: Charge) -> None:
        """Take back a request that never left."""
        for meter, learner in self.meters.items():
            learner.unsent(sent_at, charge.amount(meter))

    def accepted(self, now: float, sent_at: float, estimate: Charge, real: Charge) -> None:
        """Note a reply, and book what the request really cost in place of the estimate."""
        self.in_flight.accepted(now)
        for meter, learner in self.meters.items():
            learner.accepted(now, sent_at)
            if real is not estimate and meter != "requests":
                learner.corrected(real.amount(meter) - estimate.amount(meter))

    def refused(
        self, now: float, sent_at: float, charge: Charge, meter: Meter, retry_after_seconds: float
    ) -> None:
        """Note that one of the meters was at its limit.

        One call alone is never too many in flight: its refusal stops all, as in an outage.
        """
        alone = meter == "concurrency" and not self.in_flight.in_flight
        if meter == "concurrency" and not alone:
            self.refused_elsewhere(charge)
            self.in_flight.refused(now, sent_at)
            self.meters["requests"].wait(now, retry_after_seconds)
            return
        named = "requests" if meter == "concurrency" else meter
        self.refused_elsewhere(charge, but=named)
        learner = self.meter(named)
        learner.refused(now, sent_at, charge.amount(named), retry_after_seconds, outage=alone)

    def refused_elsewhere(self, charge: Charge, but: Meter | None = None) -> None:
        """Note that a request was refused for another meter's sake."""
        for meter, learner in self.meters.items():
            if meter != but:
                learner.refused_elsewhere(charge.amount(meter))

    def announce(self, now: float, sent_at: float, signal: RateSignal) -> None:
        """Take up what a reply says about one of the meters."""
        if signal.meter != "concurrency" and signal.limit_per_minute is not None:
            self.meter(signal.meter or "requests").announce(now, sent_at, signal)

    def tell_odd(self, signal: RateSignal) -> None:
        """Say that the provider announced what it cannot mean."""
        if signal.meter != "concurrency" and signal.limit_per_minute is not None:
            self.meter(signal.meter or "requests").tell_odd(signal.limit_per_minute)

    def paces(self) -> dict[Meter, float]:
        """Return the rate that each meter is paced at now, per minute."""
        return {
            meter: 60 * learner.pacer.per_second
            for meter, learner in self.meters.items()
            if learner.pacer.per_second is not None
        }

    def freeze(self, now: float) -> None:
        """Do not raise any rate for a while."""
        for learner in self.meters.values():
            learner.freeze(now)
