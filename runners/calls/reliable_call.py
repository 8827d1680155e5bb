"""One call, repeated until it is answered or its bounds are reached."""

import asyncio
import logging
from dataclasses import dataclass
from random import Random

from config.clock import Clock
from config.errors import (
    BadReply,
    ConnectionLost,
    HostLost,
    LaneClosed,
    ModelError,
    NoCapacity,
    RateLimited,
    TimedOut,
    TransientError,
    Unreachable,
)
from models.base_model import BaseModel, Completion, Usage
from models.catalog.pricing import price
from models.wire.wrong_address import address_words, may_be_the_address
from prompts.prompt_template import Prompt
from runners.calls.budget import Budget, Reservation
from runners.calls.retry_policy import RetryBounds, RetryPolicy
from runners.calls.sender import SEND_FROM_HERE, Sender
from runners.lanes.lane import Lane
from runners.lanes.refusals import GivenUp
from runners.rate_limiter import AdaptiveRateLimiter, Permit
from storage.records.solution_record import AttemptRecord, BatchRecord

logger = logging.getLogger("collector.attempts")

# These may come after the provider did the work, and billed it.
_POSSIBLY_BILLED = (BadReply, ConnectionLost, TimedOut)
# A low guess for English, code and, at three bytes a sign, Chinese: better too many tokens than a
# 429.
_BYTES_PER_TOKEN = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A call that was answered. Times in seconds; answered_at is wall time.

    cost_usd: None where the usage or the price is not known.
    batch: the batch that it came in, None for a call.
    """

    completion: Completion
    cost_usd: float | None
    attempts: list[AttemptRecord]
    answered_at: float
    batch: BatchRecord | None = None

    @property
    def execution_seconds(self) -> float:
        return self.attempts[-1].seconds

    @property
    def wait_seconds(self) -> float:
        return sum(attempt.wait_seconds for attempt in self.attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """A call that was not answered within its bounds, with its last error.

    attempts: none where the lane was refused for so long that the call was not tried.
    """

    error: ModelError
    attempts: list[AttemptRecord]


class ReliableCaller:
    """Calls models: each attempt passes the limiter, each failure is retried within bounds."""

    def __init__(
        self,
        limiter: AdaptiveRateLimiter,
        budget: Budget,
        policy: RetryPolicy,
        clock: Clock,
        random: Random,
        sender: Sender = SEND_FROM_HERE,
    ) -> None:
        """sender: makes the calls."""
        self._sender = sender
        self._limiter = limiter
        self._budget = budget
        self._policy = policy
        self._clock = clock
        self._random = random

    async def call(self, lane: Lane, prompt: Prompt, task_name: str) -> Answer | GaveUp:
        """Return the answer, or the failure after the last permitted attempt.

        Raises LaneClosed where no request of this lane can succeed, LaneStopped where the run
        is being stopped, CapReached where there is no money for it.
        """
        attempts: list[AttemptRecord] = []
        bounds = RetryBounds(self._policy, self._clock, self._random)
        pause_seconds: float | None = 0.0
        model = lane.model
        while pause_seconds is not None:
            wait_from = self._clock.monotonic()
            leave = await self._leave(lane, prompt, pause_seconds, bounds)
            if leave is None:
                break
            waited = self._clock.monotonic() - wait_from
            outcome = await self._attempt(lane, model, prompt, task_name, leave, bounds)
            attempts.append(outcome.record(waited))
            _log_attempt(lane, task_name, attempts, outcome)
            if isinstance(outcome.result, Completion):
                lane.answered()
                return Answer(
                    completion=outcome.result,
                    cost_usd=outcome.cost_usd,
                    attempts=attempts,
                    answered_at=self._clock.time(),
                )
            has_answers = lane.has_answers or lane.answered_before
            pause_seconds = bounds.pause_after(outcome.result, lane_has_answers=has_answers)
            if lane.fallback and isinstance(outcome.result, NoCapacity):
                model, pause_seconds = lane.fallback, 0.0
        assert bounds.last_error is not None, "nobody gives up without a reason"
        return GaveUp(error=bounds.last_error, attempts=attempts)

    async def _leave(
        self, lane: Lane, prompt: Prompt, pause_seconds: float, bounds: RetryBounds
    ) -> "_Leave | None":
        """Return what it takes to send, None where the task's time ends before it is there.

        Or where the lane is given up.
        """
        reservation: Reservation | None = None
        try:
            with lane.waiting(after=bounds.last_error) as wait:
                async with asyncio.timeout(bounds.seconds_left):
                    if pause_seconds:
                        await self._clock.sleep(pause_seconds)
                    wait.for_host = True
                    await self._sender.ready(lane.model)
                    worst_usd = self._budget.worst_case(lane.model, prompt)
                    wait.for_host, wait.for_money = False, True
                    reservation = await self._budget.reserve(worst_usd)
                    wait.for_money = False
                    permit = await self._limiter.acquire(
                        lane.scope,
                        input_tokens=estimate_tokens(prompt),
                        urgent=bounds.last_error is not None,
                    )
        except BaseException as error:
            if reservation:
                reservation.settle(0.0)
            if isinstance(error, GivenUp):
                bounds.last_error = bounds.last_error or error.error
                await asyncio.sleep(0)  # many tasks may be given up at once
                return None
            if isinstance(error, TimeoutError):
                return None
            raise
        bounds.start()
        return _Leave(permit, reservation)

    async def _attempt(
        self,
        lane: Lane,
        model: BaseModel,
        prompt: Prompt,
        task_name: str,
        leave: "_Leave",
        bounds: RetryBounds,
    ) -> "_AttemptOutcome":
        started, from_ = self._clock.time(), self._clock.monotonic()
        try:
            with lane.sending(task_name):
                completion = await self._complete(model, prompt, bounds)
        except ModelError as error:
            leave.failed(error, _cost(model, error.usage, None, started))
            lane.refusals.note(error, from_)
            _name_address(error, model)
            if isinstance(error, LaneClosed) and lane.is_closed_to(task_name):
                raise
            return _AttemptOutcome(error, None, started, self._clock.monotonic() - from_)
        except BaseException:
            leave.abandoned()
            raise
        cost_usd = _cost(model, completion.usage, completion.served_tier, started)
        leave.answered(completion, cost_usd)
        lane.refusals.note(None, from_)
        return _AttemptOutcome(completion, cost_usd, started, self._clock.monotonic() - from_)

    async def _complete(self, model: BaseModel, prompt: Prompt, bounds: RetryBounds) -> Completion:
        """Return the reply within what the attempt and the task have left of their time."""
        seconds_left = bounds.seconds_left
        if seconds_left is None or seconds_left > model.request_timeout_seconds:
            return await self._sender.send(model, prompt)
        try:
            async with asyncio.timeout(seconds_left):
                return await self._sender.send(model, prompt)
        except TimeoutError as error:
            raise TimedOut("the task's time was over before a whole reply came") from error


@dataclass(frozen=True, slots=True)
class _Leave:
    """Leave to send one request: the limiter's and the budget's; each is told what came of it."""

    permit: Permit
    reservation: Reservation

    def answered(self, completion: Completion, cost_usd: float | None) -> None:
        usage = completion.usage
        self.permit.accepted(
            completion.signals,
            tokens_used=(usage.input_tokens, usage.output_tokens) if usage else None,
        )
        self.reservation.settle(self.reservation.worst_usd if cost_usd is None else cost_usd)

    def failed(self, error: ModelError, cost_usd: float | None) -> None:
        """cost_usd: of what the reply counted all the same, None where nothing has a price."""
        if isinstance(error, RateLimited) and not isinstance(error, NoCapacity):
            self.permit.refused(error.signals)
        elif isinstance(error, TransientError) and not isinstance(error, HostLost):
            self.permit.overloaded()
        else:
            self.permit.released()
        possibly = isinstance(error, _POSSIBLY_BILLED) and not isinstance(error, Unreachable)
        if cost_usd is None:
            billed = possibly or error.usage is not None or error.usage_note is not None
            cost_usd = self.reservation.worst_usd if billed else 0.0
        self.reservation.settle(cost_usd)

    def abandoned(self) -> None:
        self.permit.released()
        self.reservation.settle(self.reservation.worst_usd)


def _name_address(error: ModelError, model: BaseModel) -> None:
    """Add to an error that may come of it where the call went."""
    if model.call_url and may_be_the_address(error):
        is_default = model.base_url == model.home().rstrip("/")
        where = address_words(model.call_url, model.config.base_url_env, is_default=is_default)
        error.args = (f"{error}; {where}",)


def _cost(
    model: BaseModel, usage: Usage | None, served_tier: str | None, sent_at: float
) -> float | None:
    if usage is None:
        return None
    return price(model.config, usage, sent_at, "flex" if served_tier == "flex" else "live")


def estimate_tokens(prompt: Prompt) -> int:
    """Return about how many input tokens a prompt costs, for limits that count them."""
    return int(len(prompt.joined.encode("utf-8", "replace")) / _BYTES_PER_TOKEN) + 8


@dataclass(frozen=True, slots=True)
class _AttemptOutcome:
    result: Completion | ModelError
    cost_usd: float | None
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


def _log_attempt(
    lane: Lane, task_name: str, attempts: list[AttemptRecord], outcome: _AttemptOutcome
) -> None:
    last = attempts[-1]
    usage = outcome.result.usage if isinstance(outcome.result, Completion) else None
    logger.debug(
        "%s, %s, try %d: %s in %.2f s after waiting %.2f s, tokens %s",
        lane.label,
        task_name,
        len(attempts),
        last.error or last.status,
        last.seconds,
        last.wait_seconds,
        f"{usage.input_tokens}+{usage.output_tokens}" if usage else "unknown",
    )
