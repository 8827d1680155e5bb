"""How a run stands at one moment: what every display shows, and --progress json writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneProgress:
    """One model's state. Counts are of tasks, tokens of answers kept so far.

    answers_per_minute: over about the last minute.
    in_flight: requests that have left. waiting: tasks that were begun and wait to be sent.
    limit_per_minute: requests that the provider takes, as far as is known, else None.
    seconds_left: an estimate that includes a wait for a rate limit, None where there is none yet.
    waiting_because: why the lane stands still, "" where it does not.
    refusal: the provider's own words where it refuses every call for its rate, else "".
    open_batches: batches that wait for their end, of batched_requests tasks; batched_done: of
        these, as far as the provider says.
    """

    label: str
    total: int
    answered: int
    failed: int
    in_flight: int = 0
    waiting: int = 0
    answers_per_minute: float
    limit_per_minute: float | None = None
    tokens: int
    cost_usd: float
    seconds_left: float | None
    waiting_because: str = ""
    refusal: str = ""
    open_batches: int = 0
    batched_requests: int = 0
    batched_done: int = 0

    @property
    def done(self) -> int:
        return self.answered + self.failed

    @property
    def line(self) -> str:
        """All of it in words, what matters most first."""
        return ", ".join([self.counts, *self.outlook, *self.details])

    @property
    def counts(self) -> str:
        return f"answered {self.answered}/{self.total}, failed {self.failed}"

    @property
    def short_counts(self) -> str:
        """The counts for a narrow place."""
        answered = f"{self.answered}/{self.total}"
        return f"{answered}, failed {self.failed}" if self.failed else answered

    @property
    def outlook(self) -> list[str]:
        """Why it waits and how long it will take, as far as there is anything to say."""
        reason = ": ".join(part for part in (self.waiting_because, self.refusal) if part)
        said = [reason] if reason else []
        if self.seconds_left:
            said.append(f"{_time(self.seconds_left)} left")
        return said

    @property
    def details(self) -> list[str]:
        """The rest, the more important first."""
        rate = [self._rate] if self.seconds_left != 0 else []
        in_use = [f"{self.in_flight} in flight"] if self.in_flight else []
        queued = [f"{self.waiting} waiting"] if self.waiting else []
        tokens = f"{self.tokens:,}" if self.tokens < 10_000 else f"{self.tokens // 1000:,}k"
        return [*rate, *in_use, *queued, f"{tokens} tokens", f"{self.cost_usd:.4f} USD"]

    @property
    def _rate(self) -> str:
        rate = f"{self.answers_per_minute:.0f}"
        if self.limit_per_minute is not None:
            rate += f" of {self.limit_per_minute:.0f}"
        return f"{rate}/min"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """The whole run's state; elapsed_seconds since this run of the session began."""

    lanes: Sequence[LaneProgress]
    elapsed_seconds: float

    @property
    def whole(self) -> LaneProgress:
        """All lanes as one; it ends when the last lane does."""
        left = [lane.seconds_left for lane in self.lanes]
        known = [seconds for seconds in left if seconds is not None]
        return LaneProgress(
            label="all",
            total=sum(lane.total for lane in self.lanes),
            answered=sum(lane.answered for lane in self.lanes),
            failed=sum(lane.failed for lane in self.lanes),
            in_flight=sum(lane.in_flight for lane in self.lanes),
            waiting=sum(lane.waiting for lane in self.lanes),
            answers_per_minute=sum(lane.answers_per_minute for lane in self.lanes),
            tokens=sum(lane.tokens for lane in self.lanes),
            cost_usd=sum(lane.cost_usd for lane in self.lanes),
            seconds_left=max(known, default=0.0) if len(known) == len(left) else None,
            open_batches=sum(lane.open_batches for lane in self.lanes),
            batched_requests=sum(lane.batched_requests for lane in self.lanes),
            batched_done=sum(lane.batched_done for lane in self.lanes),
        )


def _time(seconds: float) -> str:
    """Return 0:07, 12:05 or 1:02:03."""
    text = str(timedelta(seconds=max(1, round(seconds))))
    return text.removeprefix("0:").removeprefix("0") if seconds < 3600 else text
