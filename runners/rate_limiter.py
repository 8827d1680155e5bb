"""When may the next request leave: learns each provider's limits and paces just under them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from config.clock import Clock
from runners.limit_level import LimitLevel
from runners.rate_gate import KeyGate, Lane, Permit

__all__ = ["AdaptiveRateLimiter", "Permit", "RateChange", "RateScope", "RateStatus"]

RateState = Literal["open", "blocked", "learning", "holding", "announced", "configured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateScope:
    """Whose limits a request counts against.

    key: names the API key's account, "<provider>@<host>#<short digest>", never the key itself.
    model: the API id.
    requests_per_minute, tokens_per_minute: configured upper bounds of the model.
    """

    key: str
    model: str
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStatus:
    """How a scope stands now; blocked_until in monotonic seconds."""

    rate_per_minute: float | None
    in_use: int
    waiting: int
    blocked_until: float | None
    reason: str
    suggested_slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChange:
    """One change of a scope's state; `at` in wall clock seconds."""

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

    def register(self, scope: RateScope, *, slots: int) -> None:
        """Say how many workers send to a scope; may be called again when that changes."""
        self._lane(scope)[1].slots = slots

    async def acquire(self, scope: RateScope, *, input_tokens: int, urgent: bool = False) -> Permit:
        """Return a permit when this request may leave; urgent ones go to the queue's head."""
        gate, lane = self._lane(scope)
        return await gate.acquire(lane, input_tokens, urgent=urgent)

    def status(self, scope: RateScope) -> RateStatus:
        """Return how a scope stands, for the progress line."""
        gate, lane = self._lane(scope)
        meters = [*gate.level.meters.values(), *lane.level.meters.values()]
        requests = (gate.level.meters["requests"], lane.level.meters["requests"])
        rates = [m.pacer.per_second for m in requests if m.pacer.per_second is not None]
        blocks = [m.blocked_until for m in meters if m.blocked_until is not None]
        return RateStatus(
            rate_per_minute=60 * min(rates) if rates else None,
            in_use=lane.in_use,
            waiting=gate.waiting(lane),
            blocked_until=max(blocks, default=None),
            reason="refused" if blocks else "",
            suggested_slots=lane.slots,
        )

    def snapshot(self) -> dict[str, object]:
        """Return what was learned, fit for JSON."""
        return {}

    def restore(self, snapshot: object) -> None:
        """Take up what an earlier run learned."""

    def _lane(self, scope: RateScope) -> tuple[KeyGate, Lane]:
        gate = self._gates.get(scope.key)
        if gate is None:
            gate = self._gates[scope.key] = KeyGate(self._clock, LimitLevel(scope.key))
        lane = gate.lanes.get(scope.model)
        if lane is None:
            level = LimitLevel(
                f"{scope.key} {scope.model}",
                requests_per_minute=scope.requests_per_minute,
                tokens_per_minute=scope.tokens_per_minute,
            )
            lane = gate.lanes[scope.model] = Lane(level)
        return gate, lane
