"""One call, repeated until it is answered or its bounds are reached."""

import asyncio
from dataclasses import dataclass
from random import Random

from config.clock import Clock
from config.errors import LaneClosed, ModelError, PermanentError, RateLimited, TransientError
from models.base_model import Completion
from prompts.prompt_template import Prompt
from runners.lane import Lane
from runners.rate_limiter import AdaptiveRateLimiter, Permit
from storage.solution_record import AttemptRecord

_CHARACTERS_PER_TOKEN = 3.5  # a low guess for English and code: better too many tokens than a 429


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The bounds of one task. Attempts that were refused for their rate cost time alone."""

    max_attempts: int = 8
    task_timeout_seconds: float = 1800.0
    first_backoff_seconds: float = 1.0
    longest_backoff_seconds: float = 60.0

    def backoff_seconds(self, failures: int, random: Random) -> float:
        """Return a full-jitter wait after so many failures (1 or more)."""
        ceiling = self.first_backoff_seconds * 2.0 ** (failures - 1)
        return random.uniform(0.0, min(ceiling, self.longest_backoff_seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A call that was answered. Times in seconds; answered_at is wall time."""

    completion: Completion
    attempts: list[AttemptRecord]
    answered_at: float

    @property
    def execution_seconds(self) -> float:
        return self.attempts[-1].seconds

    @property
    def wait_seconds(self) -> float:
        return sum(attempt.wait_seconds for attempt in self.attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """A call that was not answered within its bounds, with its last error."""

    error: ModelError
    attempts: list[AttemptRecord]


class ReliableCaller:
    """Calls models: each attempt passes the limiter, each failure is retried within bounds."""

    def __init__(
        self, limiter: AdaptiveRateLimiter, policy: RetryPolicy, clock: Clock, random: Random
    ) -> None:
        self._limiter = limiter
        self._policy = policy
        self._clock = clock
        self._random = random

    async def call(self, lane: Lane, prompt: Prompt, task_id: str) -> Answer | GaveUp:
        """Return the answer, or the failure after the last permitted attempt.

        Raises LaneClosed where no request of this lane can succeed, LaneStopped where the run
        is being stopped.
        """
        attempts: list[AttemptRecord] = []
        bounds = _Bounds(self._policy, self._clock, self._random)
        pause_seconds = 0.0
        while True:
            wait_from = self._clock.monotonic()
            permit = await self._permit(lane, prompt, pause_seconds, bounds)
            if permit is None:
                assert bounds.last_error is not None
                return GaveUp(error=bounds.last_error, attempts=attempts)
            waited = self._clock.monotonic() - wait_from
            outcome = await self._attempt(lane, prompt, task_id, permit)
            attempts.append(outcome.record(waited))
            if isinstance(outcome.result, Completion):
                return Answer(
                    completion=outcome.result, attempts=attempts, answered_at=self._clock.time()
                )
            pause = bounds.pause_after(outcome.result)
            if pause is None:
                return GaveUp(error=outcome.result, attempts=attempts)
            pause_seconds = pause

    async def _permit(
        self, lane: Lane, prompt: Prompt, pause_seconds: float, bounds: "_Bounds"
    ) -> Permit | None:
        """Return the leave to send, None where the task's time ends first."""
        try:
            with lane.waiting():
                async with asyncio.timeout(bounds.seconds_left):
                    if pause_seconds:
                        await self._clock.sleep(pause_seconds)
                    permit = await self._limiter.acquire(
                        lane.scope,
                        input_tokens=estimate_tokens(prompt),
                        urgent=bounds.last_error is not None,
                    )
        except TimeoutError:
            return None
        bounds.start()
        return permit

    async def _attempt(
        self, lane: Lane, prompt: Prompt, task_id: str, permit: Permit
    ) -> "_AttemptOutcome":
        started, from_ = self._clock.time(), self._clock.monotonic()
        result: Completion | ModelError
        try:
            with lane.sending(task_id):
                result = await lane.model.complete(prompt)
        except ModelError as error:
            _tell_limiter(permit, error)
            if isinstance(error, LaneClosed):
                raise
            result = error
        except BaseException:
            permit.released()
            raise
        else:
            usage = result.usage
            permit.accepted(
                result.signals,
                tokens_used=(usage.input_tokens, usage.output_tokens) if usage else None,
            )
        return _AttemptOutcome(result, started, self._clock.monotonic() - from_)


def estimate_tokens(prompt: Prompt) -> int:
    """Return about how many input tokens a prompt costs, for limits that count them."""
    return int(len(prompt.joined) / _CHARACTERS_PER_TOKEN) + 8


@dataclass(frozen=True, slots=True)
class _AttemptOutcome:
    result: Completion | ModelError
    started: float
    seconds: float

    def record(self, waited_seconds: float) -> AttemptRecord:
        error = None if isinstance(self.result, Completion) else self.result
        return AttemptRecord(
            started=self.started,
            seconds=self.seconds,
            wait_seconds=waited_seconds,
            status=error.status if error else 200,
            error=type(error).__name__ if error else None,
            message=str(error) if error else None,
        )


class _Bounds:
    """What is left of one task's attempts and time; its time starts with its first attempt."""

    def __init__(self, policy: RetryPolicy, clock: Clock, random: Random) -> None:
        self.last_error: ModelError | None = None
        self._policy = policy
        self._clock = clock
        self._random = random
        self._failures = 0
        self._deadline: float | None = None

    @property
    def seconds_left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - self._clock.monotonic())

    def start(self) -> None:
        if self._deadline is None:
            self._deadline = self._clock.monotonic() + self._policy.task_timeout_seconds

    def pause_after(self, error: ModelError) -> float | None:
        """Return the wait before the next attempt in seconds, None where there is none."""
        self.last_error = error
        if isinstance(error, PermanentError) or not isinstance(error, TransientError):
            return None
        if isinstance(error, RateLimited):
            return 0.0  # the limiter knows how long to wait
        self._failures += 1
        if self._failures >= self._policy.max_attempts:
            return None
        hints = [signal.retry_after_seconds or 0.0 for signal in error.signals]
        jittered = self._policy.backoff_seconds(self._failures, self._random)
        pause = max([jittered, *hints])
        return pause if pause < (self.seconds_left or 0.0) else None


def _tell_limiter(permit: Permit, error: ModelError) -> None:
    if isinstance(error, RateLimited):
        permit.refused(error.signals)
    elif isinstance(error, TransientError):
        permit.overloaded()
    else:
        permit.released()
