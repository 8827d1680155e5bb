"""How often, how long and with what pauses one task is tried."""

from dataclasses import dataclass
from random import Random

from config.clock import Clock
from config.errors import (
    HostLost,
    LaneClosed,
    ModelError,
    NoCapacity,
    RateLimited,
    TransientError,
    Unreachable,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The bounds of one task. Attempts that were refused for their rate, or
    for want of room at the flex tier, or lost with a host of a cluster, cost time alone.

    max_attempts_unreached: where there is no connection, and none of the lane's calls has been
        answered in this session: a wrong address is more likely then than a break of a minute.
    """

    max_attempts: int = 8
    max_attempts_unreached: int = 4
    task_timeout_seconds: float = 1800.0
    first_backoff_seconds: float = 1.0
    longest_backoff_seconds: float = 60.0

    def backoff_seconds(self, failures: int, random: Random) -> float:
        """Return a full-jitter wait after so many failures (1 or more)."""
        ceiling = self.first_backoff_seconds * 2.0 ** (failures - 1)
        return random.uniform(0.0, min(ceiling, self.longest_backoff_seconds))


class RetryBounds:
    """What is left of one task's attempts and time; its time starts with its first attempt."""

    def __init__(self, policy: RetryPolicy, clock: Clock, random: Random) -> None:
        self.last_error: ModelError | None = None
        self._policy = policy
        self._clock = clock
        self._random = random
        self._failures = 0
        self._without_room = 0
        self._deadline: float | None = None

    @property
    def seconds_left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - self._clock.monotonic())

    def start(self) -> None:
        if self._deadline is None:
            self._deadline = self._clock.monotonic() + self._policy.task_timeout_seconds

    def pause_after(self, error: ModelError, *, lane_has_answers: bool) -> float | None:
        """Return the wait before the next attempt in seconds, None where there is none."""
        doubted_before = isinstance(self.last_error, LaneClosed)
        self.last_error = error
        if isinstance(error, LaneClosed):  # not believed: is it this task alone?
            return None if doubted_before else self._policy.backoff_seconds(1, self._random)
        if not isinstance(error, TransientError):
            return None
        if isinstance(error, NoCapacity):
            self._without_room += 1
            return self._backoff(error, self._without_room)
        if isinstance(error, RateLimited | HostLost):
            return 0.0  # the limiter, or the sender, knows how long to wait
        self._failures += 1
        if self._failures >= self._most_attempts(error, lane_has_answers):
            return None
        return self._backoff(error, self._failures)

    def _backoff(self, error: ModelError, failures: int) -> float | None:
        hints = [signal.retry_after_seconds or 0.0 for signal in error.signals]
        jittered = self._policy.backoff_seconds(failures, self._random)
        pause = max([jittered, *hints])
        return pause if pause < (self.seconds_left or 0.0) else None

    def _most_attempts(self, error: ModelError, lane_has_answers: bool) -> int:
        policy = self._policy
        if isinstance(error, Unreachable) and not lane_has_answers:
            return min(policy.max_attempts, policy.max_attempts_unreached)
        return policy.max_attempts
