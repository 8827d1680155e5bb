"""What one meter of one scope permits: configured, announced or learned, whichever is least."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Literal

from config.rate_signal import RateSignal
from runners.rate_control.admission_log import SPAN_SECONDS, AdmissionLog
from runners.rate_control.announced_limit import HEADROOM, AnnouncedLimit
from runners.rate_control.rate_meter import Pacer
from runners.rate_control.rate_search import RateSearch
from runners.rate_control.refusal_block import SHORTEST_DOUBT_SECONDS, Episode, RefusalBlock

RateState = Literal["open", "blocked", "learning", "holding", "climbing", "announced", "configured"]
Tell = Callable[[float | None, float | None, RateState, str], None]

FROZEN_SECONDS = 10.0
WAITING = "refused: waiting"
OUTAGE = (
    "nothing was let through for a while, which says nothing about the rate: continuing as before"
)


class RateLearner:
    """One meter; amounts are requests or tokens, rates are per second.

    outages: how often it took a time of being refused for the provider's own trouble.
    """

    def __init__(
        self, ceiling_per_minute: float | None, tell: Tell, *, uneven: bool = False
    ) -> None:
        self.log = AdmissionLog()
        self.search = RateSearch(uneven=uneven)
        self.block: RefusalBlock | None = None
        self.announced = AnnouncedLimit(uneven=uneven)
        self.told_until = -math.inf
        self.outages = 0
        self._ceiling = ceiling_per_minute and ceiling_per_minute / 60
        self._tell = tell
        self._frozen_until = -math.inf
        self._ended_at = -math.inf
        self._refusal_seconds = 0.0
        self._before: RateSearch | None = None
        self._has_told_odd = False
        self.pacer = Pacer(uneven=uneven)
        if ceiling_per_minute is not None:  # what was asked for is done, however slow
            self.pacer.longest_pause_seconds = math.inf
        self._pace(0.0)

    @property
    def state(self) -> RateState:
        """What the present rate comes from."""
        if self.block is not None:
            return "blocked"
        if self.search.state != "open":
            return self.search.state
        if self.announced.per_second is not None:
            return "announced"
        return "open" if self._ceiling is None else "configured"

    @property
    def reason(self) -> str:
        """Why the rate is what it is, in a few words."""
        if self.block is not None:
            return WAITING
        if self.search.state != "open":
            return self.search.reason
        return {"announced": "the provider says so", "configured": "as configured"}.get(
            self.state, self.search.reason
        )

    @property
    def due(self) -> float:
        """When the pace and the provider's own word would let a request pass, block or not."""
        return max(self.pacer.due, self.told_until)

    def blocked_until(self, now: float) -> float | None:
        """Return when the next probe, or any request, may leave; None while nothing is refused."""
        if self.block is not None:
            return max(self.block.until, self.told_until)
        return self.told_until if self.told_until > now else None

    def ready_at(self, now: float) -> float:
        """Return when the next request may leave; a time that has passed means at once."""
        if self.block is None:
            return self.due
        if self.block.probe_at is None:
            return max(self.block.until, self.due)
        doubt = max(SHORTEST_DOUBT_SECONDS, 2 * self._refusal_seconds)
        if now < self.block.probe_at + doubt:
            return self.block.probe_at + doubt
        self._resume(now, self.block, self.block.probe_at)
        return self.due

    def sent(self, now: float, amount: float, *, probes: bool = True) -> None:
        """Count a request that leaves now, as admitted until it is refused."""
        if self.block is not None and probes:
            self.block.probe_at = now
        self.log.add(now, amount)
        self.pacer.take(now, amount)
        if now >= self.search.step_at:
            self._step(now)
        if self.announced.window_is_over(now):
            self._pace(now)

    def unsent(self, sent_at: float, amount: float) -> None:
        """Take back a request that never left."""
        if self.block is not None and self.block.probe_at == sent_at:
            self.block.probe_at = None
        self.log.correct(-amount)
        self.pacer.correct(-amount)

    def corrected(self, amount: float) -> None:
        """Count so much more (or less) for a request that has been answered."""
        self.log.correct(amount)
        self.pacer.correct(amount)

    def accepted(self, now: float, sent_at: float) -> None:
        """Note that the provider took a request: a probe that it took ends the waiting."""
        block = self.block
        if block is not None and block.probe_at is not None and sent_at >= block.probe_at:
            self._resume(now, block, block.probe_at)

    def refused_elsewhere(self, amount: float) -> None:
        """Note that a request was refused for another meter's sake."""
        self.log.correct(-amount)

    def refused(
        self,
        now: float,
        sent_at: float,
        amount: float,
        retry_after_seconds: float,
        *,
        outage: bool = False,
    ) -> None:
        """Note that this meter's limit was met: stop, wait, then probe; outage: or is none."""
        self.log.correct(-amount)
        if self.block is None and sent_at <= self._ended_at:
            return  # A later request, the probe, was let in meanwhile.
        self.wait(now, retry_after_seconds)
        if self.block is not None:
            self.block.refused_again(now, sent_at, retry_after_seconds)
            return
        self._refusal_seconds = now - sent_at
        self._before = deepcopy(self.search)
        self.block = RefusalBlock.begin(
            now,
            pace=self.pacer.per_second or self.log.rate(now),
            amount=self.log.amount,
            briskest=self.log.briskest(now),
            retry_after_seconds=retry_after_seconds,
            outage=outage,
        )
        self._say(self.pacer.per_second, f"{WAITING} {self.block.until - now:.1f} s")

    def wait(self, now: float, retry_after_seconds: float) -> None:
        """Send nothing for as long as the provider asks for."""
        if retry_after_seconds > 0:
            self.told_until = max(self.told_until, now + retry_after_seconds)

    def start_anew(self, now: float, rate: float | None, reason: str) -> None:
        """Forget what was learned, and go on from a rate per second, or from none."""
        old = self.pacer.per_second
        self.block = None
        self.search = RateSearch(uneven=self.pacer.uneven)
        if rate is not None:
            self.search.start_at(rate, rate, reason)
        self._pace(now)
        self._say(old, reason)

    def rate_of_late(self, now: float) -> float | None:
        """Return what was admitted per second over the last minute, None where nothing was."""
        is_idle = self.log.total - self.log.total_at(now - SPAN_SECONDS) <= 0
        return None if is_idle else self.log.rate(now)

    def excuse(self, now: float) -> None:
        """Forget the last refusal: another scope's limit was met, not this one's."""
        before, self._before = self._before, None
        if before is not None:
            self.block = None
            self.search = before
            self._pace(now)
            self._say(self.pacer.per_second, "the limit met is the API key's")

    def announce(self, now: float, sent_at: float, signal: RateSignal) -> None:
        """Take up what a reply says about the limit."""
        limit = signal.limit_per_minute
        if limit is None:
            return
        if self.announced.take_up(limit):
            self.search = RateSearch(uneven=self.pacer.uneven)
            old = self.pacer.per_second
            self._pace(now)
            self._say(old, f"the provider says {limit:,.0f} a minute")
        if self.announced.spare(now, sent_at, signal, self.log):
            self._pace(now)

    def tell_odd(self, limit_per_minute: float) -> None:
        """Say, once, that the provider announced what it cannot mean."""
        if not self._has_told_odd:
            self._has_told_odd = True
            pace = self.pacer.per_second
            self._say(pace, f"ignored: the provider says {limit_per_minute:.3g} a minute")

    def freeze(self, now: float) -> None:
        """Do not raise the rate for a while: the provider is overloaded."""
        self._frozen_until = now + FROZEN_SECONDS

    def known(self) -> tuple[float, float] | None:
        """Return the rate that was learned or announced and the one that is too much, or None."""
        if self.search.rate is not None:
            return self.search.rate, min(self.search.refused_rate, 2 * self.search.rate)
        return self.announced.known()

    def restore(self, rate: float, refused_rate: float) -> None:
        """Start where an earlier run had got to; rates per second."""
        self.search.start_at(rate, refused_rate, "as learned in an earlier run")
        self._pace(0.0)
        self._say(None, self.search.reason)

    def _step(self, now: float) -> None:
        was = self.search.state
        old = self.pacer.per_second
        frozen = now < self._frozen_until
        self.search.step(now, self.log.total, self.log.amount, frozen=frozen)
        self._pace(now)
        if self.search.state != was:
            self._say(old, self.search.reason)

    def _resume(self, now: float, block: RefusalBlock, probe_at: float) -> None:
        """Go on after a probe got through, with what the time of being refused has told."""
        self.block = None
        self._ended_at = probe_at
        old = self.pacer.per_second
        episode = self._episode(block, probe_at)
        if block.outage or self.search.is_outage(episode):
            self.outages += 1
            self.search.go_on(episode)
            self.log.start_anew(probe_at)
            self._say(old, OUTAGE)
            return
        if self.search.state != "open" or not self.announced.is_believed(probe_at):
            self.search.learn(episode)
        self._pace(now)
        self._say(old, self.reason)

    def _episode(self, block: RefusalBlock, probe_at: float) -> Episode:
        until = block.watched_until()
        admitted = self.log.rate(until, refused_at=block.refused_at)
        if self.search.state == "open" and not self.pacer.uneven:
            # A window that the first burst exhausted is still full at the last refusal; a
            # little later it lets go of the whole burst at once, and is nearly empty.
            then = block.last_refused_at
            admitted = max(admitted, self.log.rate(then, refused_at=block.refused_at))
        return Episode(
            refused_at=block.refused_at,
            ended_at=probe_at,
            probes_refused=block.probes_refused,
            pace=block.pace,
            admitted=admitted,
            whole_minute=self.log.covers_a_minute(until),
            briskest=block.briskest,
            total=self.log.total,
            amount=self.log.amount,
            slowest=self.log.slowest,
        )

    def _pace(self, now: float) -> None:
        bounds = [] if self._ceiling is None else [HEADROOM * self._ceiling]
        if self.announced.pace < math.inf:
            bounds.append(self.announced.pace)
        if self.search.rate is not None:
            bounds.append(self.search.rate)
        self.pacer.set_rate(now, min(bounds, default=None))

    def _say(self, old: float | None, reason: str) -> None:
        self._tell(old, self.pacer.per_second, self.state, reason)
