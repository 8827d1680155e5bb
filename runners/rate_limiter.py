"""When may the next request leave: learns each provider's limits and paces just under them."""

from collections.abc import Callable
from dataclasses import dataclass

from config.clock import Clock
from config.rate_signal import Meter
from runners.rate_control.limit_level import LimitLevel, TellOf
from runners.rate_control.model_traffic import ModelTraffic
from runners.rate_control.permit import Permit
from runners.rate_control.rate_gate import KeyGate
from runners.rate_control.rate_learning import WAITING, RateLearner, RateState, Tell
from runners.rate_control.rate_memory import RateMemory

__all__ = ["AdaptiveRateLimiter", "Permit", "RateChange", "RateScope", "RateState", "RateStatus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateScope:
    """Whose limits a request counts against.

    key: names the API key's account, "<provider>@<host>#<short digest>", never the key itself.
    model: the API id.
    requests_per_minute, tokens_per_minute: configured upper bounds of the model.
    announces_limits: its replies carry rate limit headers, so the first seconds wait for one.
    variable: what holds one of a provider's further keys, to be shown with it; "" for the first.
    """

    key: str
    model: str
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    announces_limits: bool = False
    variable: str = ""

    @property
    def account(self) -> str:
        """The key as it is shown."""
        return f"{self.key} ({self.variable})" if self.variable else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStatus:
    """How a scope stands now.

    rate_per_minute: requests, by the tightest of its limits; None while no limit is known.
    blocked_until: monotonic seconds; None while nothing is refused.
    suggested_slots: how many workers would use the rate, for --max-concurrent auto.
    """

    rate_per_minute: float | None
    in_use: int
    waiting: int
    blocked_until: float | None
    reason: str
    suggested_slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChange:
    """One change of state: `at` in wall clock seconds, rates in the meter's unit."""

    at: float
    scope: str
    from_per_minute: float | None
    to_per_minute: float | None
    state: RateState
    reason: str


class AdaptiveRateLimiter:
    """Lets each request leave as soon as its provider will take it, and no sooner."""

    def __init__(
        self, clock: Clock, *, on_change: Callable[[RateChange], None] | None = None
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._gates: dict[str, KeyGate] = {}
        self._memory = RateMemory()

    def register(self, scope: RateScope, *, slots: int) -> None:
        """Say how many workers send to a scope; again when that changes."""
        self._find(scope)[1].slots = slots

    async def acquire(self, scope: RateScope, *, input_tokens: int, urgent: bool = False) -> Permit:
        """Return a permit when this request may leave; urgent ones go to the queue's head."""
        gate, traffic = self._find(scope)
        return await gate.acquire(traffic, input_tokens, urgent=urgent)

    def status(self, scope: RateScope) -> RateStatus:
        """Return how a scope stands, for the progress line."""
        gate, traffic = self._find(scope)
        rates: list[tuple[float, RateLearner]] = []
        blocks: list[float] = []
        now = self._clock.monotonic()
        for level in (gate.level, traffic.level):
            for meter, learner in level.meters.items():
                if learner.pacer.per_second is not None:
                    amount = 1.0 if meter == "requests" else max(1.0, learner.log.amount)
                    rates.append((learner.pacer.per_second / amount, learner))
                blocked_until = learner.blocked_until(now)
                if blocked_until is not None:
                    blocks.append(blocked_until)
        rate, tightest = min(rates, key=lambda r: r[0], default=(None, None))
        decisive = tightest or traffic.level.meters["requests"]
        return RateStatus(
            rate_per_minute=None if rate is None else 60 * rate,
            in_use=traffic.in_flight,
            waiting=gate.waiting(traffic),
            blocked_until=max(blocks, default=None),
            reason=WAITING if blocks else decisive.reason,
            suggested_slots=traffic.suggested_slots(rate),
        )

    def known_limits(self, scope: RateScope) -> dict[Meter, float]:
        """Return the rate that each meter of a scope is paced at now, per minute."""
        limits = self._find(scope)[1].level.paces()
        for meter, rate in self.known_key_limits(scope).items():
            limits[meter] = min(rate, limits.get(meter, rate))
        return limits

    def known_key_limits(self, scope: RateScope) -> dict[Meter, float]:
        """Return the rates at which all models of the scope's API key are paced together."""
        return self._find(scope)[0].level.paces()

    def snapshot(self) -> dict[str, object]:
        """Return what was learned, fit for JSON; it names no keys."""
        return self._memory.snapshot(self._gates, self._clock.time())

    def restore(self, snapshot: object) -> None:
        """Start where an earlier run had got to; what cannot be read is ignored."""
        self._memory.restore(snapshot, self._gates)

    def _find(self, scope: RateScope) -> tuple[KeyGate, ModelTraffic]:
        gate = self._gates.get(scope.key)
        if gate is None:
            level = LimitLevel(self._tell_of(scope.account))
            gate = self._gates[scope.key] = KeyGate(self._clock, level)
            self._memory.recall_key(scope.key, level)
        traffic = gate.by_model.get(scope.model)
        if traffic is None:
            traffic = gate.by_model[scope.model] = self._new_traffic(scope)
            self._memory.recall_traffic(scope.key, traffic)
        return gate, traffic

    def _new_traffic(self, scope: RateScope) -> ModelTraffic:
        level = LimitLevel(
            self._tell_of(f"{scope.account} {scope.model}"),
            requests_per_minute=scope.requests_per_minute,
            tokens_per_minute=scope.tokens_per_minute,
        )
        return ModelTraffic(scope.model, level, scouts=scope.announces_limits)

    def _tell_of(self, name: str) -> TellOf:
        def tell_of(meter: Meter) -> Tell:
            def tell(old: float | None, new: float | None, state: RateState, reason: str) -> None:
                if self._on_change is not None:
                    change = RateChange(
                        at=self._clock.time(),
                        scope=f"{name} {meter}",
                        from_per_minute=None if old is None else 60 * old,
                        to_per_minute=None if new is None else 60 * new,
                        state=state,
                        reason=reason,
                    )
                    self._on_change(change)

            return tell

        return tell_of
