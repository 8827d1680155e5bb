"""Holds everything back after a refusal, and lets one probe through at a time."""

from dataclasses import dataclass

from runners.rate_control.rate_meter import LONGEST_PAUSE_SECONDS

LONGEST_WAIT_SECONDS = 8.0
SHORTEST_WAIT_SECONDS = 0.25
SHORTEST_DOUBT_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One time of being refused, over: what the learning goes by. Rates are per second.

    refused_at, ended_at: the first refusal; when the probe that got through had been sent.
    probes_refused: how many probes it took before that one.
    pace: what was being sent when it began.
    admitted: what had been admitted over the minute before; whole_minute: was it a minute.
    briskest: the highest rate that a bucket of one second would have needed.
    total, amount: all that was ever admitted; what one request comes to.
    slowest: the least rate that is ever meant.
    """

    refused_at: float
    ended_at: float
    probes_refused: int
    pace: float
    admitted: float
    whole_minute: bool
    briskest: float
    total: float
    amount: float
    slowest: float


@dataclass(slots=True)
class RefusalBlock:
    """From a refusal until a probe gets through.

    until: when the next probe may leave.
    probe_at: when the probe that is out was sent; None if none is.
    told: the provider said how long to wait.
    outage: what was refused can have met no limit.
    """

    refused_at: float
    pace: float
    briskest: float
    wait_seconds: float
    longest_wait_seconds: float
    last_refused_at: float
    until: float
    told: bool = False
    probe_at: float | None = None
    probes_refused: int = 0
    outage: bool = False

    @classmethod
    def begin(
        cls,
        now: float,
        *,
        pace: float,
        amount: float,
        briskest: float,
        retry_after_seconds: float,
        outage: bool,
    ) -> "RefusalBlock":
        """Return a block whose first wait outlasts a slight excess: two requests and a bit."""
        wait = min(max(SHORTEST_WAIT_SECONDS, 2.2 * amount / pace), LONGEST_PAUSE_SECONDS)
        return cls(
            refused_at=now,
            pace=pace,
            briskest=briskest,
            wait_seconds=wait,
            longest_wait_seconds=max(LONGEST_WAIT_SECONDS, wait),
            last_refused_at=now,
            until=now + max(wait, retry_after_seconds),
            told=retry_after_seconds > 0,
            outage=outage,
        )

    def refused_again(self, now: float, sent_at: float, retry_after_seconds: float) -> None:
        """Wait longer: doubly so if it was the probe, else only if the provider asks for it."""
        if sent_at == self.probe_at:
            self.probe_at = None
            self.probes_refused += 1
            self.last_refused_at = now
            self.wait_seconds = min(2 * self.wait_seconds, self.longest_wait_seconds)
            self.until = now + self.wait_seconds
            self.told = retry_after_seconds > 0
        self.until = max(self.until, now + retry_after_seconds)

    def watched_until(self) -> float:
        """Return the moment at which the scope was at its limit, as exactly as it is known."""
        if self.probe_at is None or self.told:
            return self.until
        return (self.last_refused_at + self.probe_at) / 2
