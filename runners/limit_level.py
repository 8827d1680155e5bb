"""All meters of one scope, an API key or one of its models: a request must pass every one."""

from dataclasses import dataclass

from config.rate_signal import Meter
from runners.rate_learning import RateLearner


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request costs; output is an estimate until its reply is there."""

    input_tokens: int
    output_tokens: float

    def amount(self, meter: Meter) -> float:
        """Return the cost on a meter, in its own unit."""
        if meter == "input_tokens":
            return self.input_tokens
        if meter == "output_tokens":
            return self.output_tokens
        if meter == "tokens":
            return self.input_tokens + self.output_tokens
        return 1.0


class LimitLevel:
    """The meters of one scope; those for requests and for tokens learn from the start."""

    def __init__(
        self,
        name: str,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self.name = name
        self.meters: dict[Meter, RateLearner] = {
            "requests": RateLearner(requests_per_minute),
            "tokens": RateLearner(tokens_per_minute),
        }

    def meter(self, meter: Meter) -> RateLearner:
        """Return the meter's learner, a new one if it was never heard of."""
        if meter not in self.meters:
            self.meters[meter] = RateLearner(None)
        return self.meters[meter]

    def ready_at(self, now: float) -> float:
        """Return when every meter would let a request pass."""
        return max(learner.ready_at(now) for learner in self.meters.values())

    def sent(self, now: float, charge: Charge) -> None:
        for meter, learner in self.meters.items():
            learner.sent(now, charge.amount(meter))

    def unsent(self, sent_at: float, charge: Charge) -> None:
        for meter, learner in self.meters.items():
            learner.unsent(sent_at, charge.amount(meter))

    def accepted(self, now: float, sent_at: float) -> None:
        for learner in self.meters.values():
            learner.accepted(now, sent_at)

    def corrected(self, estimate: Charge, real: Charge) -> None:
        """Book what the request really cost in place of the estimate."""
        for meter, learner in self.meters.items():
            if meter != "requests":
                learner.corrected(real.amount(meter) - estimate.amount(meter))
