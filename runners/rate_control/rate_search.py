"""Where a rate should be: follows an unknown limit for a minute, then stays just under it.

A limit was met at both ends of the span between two blocks, whatever kind of limit it is, so what
was admitted between them says what it permits; over a minute that is exact for buckets of any
size and for fixed and sliding minutes alike.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

from runners.rate_control.outage_watch import FAR_BELOW, OutageWatch
from runners.rate_control.refusal_block import Episode

SearchState = Literal["open", "learning", "holding", "climbing"]

LEARNING_SECONDS = 55.0
"""A minute, less what the probes may be late; shorter spans mistake a burst for a rate."""
LONGEST_LEARNING_SECONDS = 75.0
STEP_SECONDS = 15.0
LIVED_SECONDS = 125.0
"""Any two minutes hold a whole fixed minute, so that a rate which lived that long is permitted."""
UNDER_ADMITTED = 0.99
UNDER_LIVED = 0.997
CREEP = 0.00125
"""Per step: a rate that lived is then one per cent under the one that is refused."""
PATIENCE_SECONDS = 120.0
UNEVEN_PATIENCE_SECONDS = 60.0
PATIENCE_REQUESTS = 120.0
"""With the creep after it: one refusal in 300 requests, and a doubled limit found in 10 minutes."""
LONGEST_PATIENCE_SECONDS = 600.0
"""A rate that collapsed to one a minute is not kept for hours after the limit is back."""
CREEP_REQUESTS = 0.018
"""The same where a step is a few requests only: a smaller one would not be seen for hours."""
CLIMB_AT_FIRST, CLIMB_AT_MOST = 0.01, 1.0
SOON_SECONDS = 30.0
WHERE_EXPECTED, UNDER_EXPECTED, UNEVEN_UNDER_EXPECTED = 1.015, 0.99, 0.995
ANCHOR_SECONDS = 900.0
USED = 0.8
FEW_REQUESTS = 20
"""So few say little: what they tell is not held, but left as soon as nothing is refused."""


MOST = 1e8
"""A second: no provider gives more, and what seems to permit it is a broken count."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """The rate that is used and one that was refused, per second; both are above zero."""

    rate: float
    refused_rate: float

    @classmethod
    def of(cls, rate: float, refused_rate: float, slowest: float) -> "Bracket":
        """Return these rates, or the slowest that is ever meant, or MOST, in place of others."""
        return cls(min(MOST, max(slowest, rate)), max(slowest, refused_rate))

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.refused_rate > 0):
            raise ValueError(f"no rates: {self.rate} and {self.refused_rate} a second")


class RateSearch:
    """The learned rate of one meter, per second; None while no limit was met."""

    def __init__(self, *, uneven: bool = False) -> None:
        self.state: SearchState = "open"
        self.reason = "no limit met yet"
        self.step_at = math.inf
        self._bracket: Bracket | None = None
        self._uneven = uneven
        self._patience_seconds = UNEVEN_PATIENCE_SECONDS if uneven else PATIENCE_SECONDS
        self._longest_patience = PATIENCE_SECONDS
        self._under_expected = UNEVEN_UNDER_EXPECTED if uneven else UNDER_EXPECTED
        self._since = -math.inf
        self._blind = False
        self._counted = 1.0
        self._creep = CREEP
        self._estimate = 0.0
        self._permitted = 0.0
        self._soon = 0
        self._ended_at = -math.inf
        self._watch = OutageWatch()
        self._exits: deque[tuple[float, float]] = deque(maxlen=64)
        self._paces: deque[tuple[float, float]] = deque()
        self._step_total = 0.0
        self._exit_total = 0.0

    @property
    def rate(self) -> float | None:
        """What is used, None while no limit was met."""
        return None if self._bracket is None else self._bracket.rate

    @property
    def refused_rate(self) -> float:
        """What was refused last, as far as is known."""
        return math.inf if self._bracket is None else self._bracket.refused_rate

    def start_at(self, rate: float, refused_rate: float, reason: str) -> None:
        """Take up a rate that was learned before."""
        self._hold(-math.inf, Bracket(rate, max(rate, refused_rate)), reason)
        self.step_at = -math.inf

    def is_outage(self, episode: Episode) -> bool:
        """Return whether this time of being refused says nothing of any limit."""
        if self._bracket is not None:
            admitted = episode.admitted
            if self._is_still_learning(episode):
                admitted = self._admitted_since_mark(episode)[0]
            permitted = max(self._permitted, self._lived(episode.refused_at))
            return self._watch.is_outage(episode, admitted=admitted, permitted=permitted)
        if self._uneven and not self._watch.is_first_ever(episode):
            return False  # a bucket of tokens may be overdrawn for long
        return self._watch.is_outage(episode, admitted=episode.admitted, permitted=None)

    def go_on(self, episode: Episode) -> None:
        """Take up after an outage where it began."""
        self._watch.saw(episode, outage=True)
        self._exits.clear()  # every bucket has filled up since
        if self._bracket is not None:
            self._since = episode.ended_at
        self._leave(episode)

    def learn(self, episode: Episode) -> None:
        """Set the rate and the state anew after a time of being refused."""
        is_second_look = self._watch.is_second_look(episode)
        self._watch.saw(episode, outage=False)
        if self._bracket is None:
            self._follow(episode, 0.97 * self._first_estimate(episode), "first refusal")
        elif is_second_look:
            rate = 0.97 * min(episode.admitted, episode.pace)
            self._follow(episode, rate, "refused for long, twice: the limit has fallen")
        elif self.state == "learning":
            self._learn_on(episode)
        else:
            self._reconsider(episode)
        self._leave(episode)

    def step(self, now: float, total: float, amount: float, *, frozen: bool) -> None:
        """Raise the rate where nothing speaks against it; call when step_at has come."""
        if self._bracket is None:
            return
        rate = self._bracket.rate
        if self.state == "learning":
            self._step_learning(now, rate, total, amount)
        elif frozen or total - self._step_total < USED * rate * STEP_SECONDS:
            self._set(now, rate, total)
        else:
            self._set(now, rate * self._growth(now, self._bracket, amount), total)

    def _leave(self, episode: Episode) -> None:
        """Note the end of a time of being refused: what is admitted counts from here."""
        self._ended_at = episode.ended_at
        self._exits.append((episode.ended_at, episode.total))
        self._exit_total = episode.total
        self._paces.clear()
        if self._bracket is not None:
            self._set(episode.ended_at, self._bracket.rate, episode.total)

    def _learn_on(self, episode: Episode) -> None:
        if not self._is_still_learning(episode):
            self._settle(episode)
            return
        pace = episode.pace
        estimate, self._counted = self._admitted_since_mark(episode)
        if self._counted < FEW_REQUESTS:
            estimate = max(estimate, 0.6 * pace)
        self._permitted = min(estimate, pace)
        self._bracket = Bracket.of(0.97 * self._permitted, pace, episode.slowest)

    def _first_estimate(self, episode: Episode) -> float:
        if episode.probes_refused == 0:
            return episode.briskest
        estimate = min(episode.briskest, episode.admitted)
        if self._exits and episode.ended_at - self._exits[-1][0] >= LEARNING_SECONDS:
            estimate = min(estimate, self._admitted_since_mark(episode)[0])
        return estimate

    def _is_still_learning(self, episode: Episode) -> bool:
        is_early = episode.ended_at - self._since < LEARNING_SECONDS
        return self.state == "learning" and is_early

    def _admitted_since_mark(self, episode: Episode) -> tuple[float, float]:
        """Return the rate since a block that ended lately, and how many requests that were."""
        begin = max(self._since, episode.ended_at - STEP_SECONDS)
        at, total = next((mark for mark in self._exits if mark[0] >= begin), self._exits[-1])
        admitted = episode.total - total
        return admitted / (episode.ended_at - at), max(1.0, admitted / episode.amount)

    def _reconsider(self, episode: Episode) -> None:
        """Decide whether the limit was touched, or has fallen."""
        if episode.ended_at - self._ended_at > SOON_SECONDS:
            self._soon = 0
        self._soon += 1
        far_below = episode.admitted < FAR_BELOW * episode.pace and episode.probes_refused > 1
        if self._soon >= 3 or (far_below and episode.whole_minute):
            self._soon = 0
            rate = 0.97 * min(episode.admitted, episode.pace)
            self._follow(episode, rate, "refused repeatedly: the limit has fallen")
        elif self._soon == 2 and self._exits:
            # A deep bucket hid the excess for a while; between two empty ones nothing is hidden.
            at, total = next(e for e in self._exits if episode.ended_at - e[0] < ANCHOR_SECONDS)
            span = episode.ended_at - at
            between = (episode.total - total) / span if span >= LEARNING_SECONDS else math.inf
            rate = self._under_expected * min(between, 0.98 * episode.pace)
            bracket = Bracket.of(rate, episode.pace, episode.slowest)
            self._hold(episode.ended_at, bracket, "refused twice")
        else:
            self._settle(episode)

    def _follow(self, episode: Episode, rate: float, reason: str) -> None:
        self.state = "learning"
        self.reason = reason
        self._bracket = Bracket.of(rate, episode.pace, episode.slowest)
        self._permitted = rate
        self._longest_patience = PATIENCE_SECONDS
        self._since = episode.ended_at
        counted = episode.total - self._exit_total
        if episode.whole_minute:
            counted = 60 * episode.admitted
        self._counted = max(1.0, counted / episode.amount)
        self._blind = not episode.whole_minute or self._counted < FEW_REQUESTS

    def _settle(self, episode: Episode) -> None:
        self._longest_patience = min(2 * self._longest_patience, LONGEST_PATIENCE_SECONDS)
        lived = min(self._lived(episode.refused_at), episode.pace)
        admitted = min(episode.admitted, episode.pace)
        if not episode.whole_minute:
            admitted = max(admitted, 0.97 * episode.pace)
        estimate = max(admitted, lived)
        if self.state != "learning" and episode.pace < WHERE_EXPECTED * self.refused_rate:
            lived = max(lived, self._under_expected * episode.pace)
        refused_rate = episode.pace
        if abs(estimate - self._estimate) < 0.02 * estimate:
            refused_rate = 1.01 * estimate
        elif episode.probes_refused:
            refused_rate = estimate + (refused_rate - estimate) / 3
        self._estimate = self._permitted = estimate
        rate = max(UNDER_ADMITTED * admitted, UNDER_LIVED * lived)
        bracket = Bracket.of(rate, refused_rate, episode.slowest)
        self._hold(episode.ended_at, bracket, "refused: pacing just under it")

    def _lived(self, until: float) -> float:
        """Return the rate that nothing refused for long enough, or 0."""
        old = [pace for at, pace in self._paces if at <= until - LIVED_SECONDS]
        return old[-1] if old else 0.0

    def _hold(self, now: float, bracket: Bracket, reason: str) -> None:
        self.state = "holding"
        self.reason = reason
        self._bracket = bracket
        self._since = now
        self._creep = CREEP

    def _step_learning(self, now: float, rate: float, total: float, amount: float) -> None:
        if now - self._since > LONGEST_LEARNING_SECONDS:
            if self._blind:
                self._hold(-math.inf, Bracket(rate, rate), "not refused while learning")
                self._creep = CLIMB_AT_FIRST
            else:
                bracket = Bracket(rate, max(rate, self.refused_rate))
                self._hold(now, bracket, "not refused while learning")
            self._set(now, rate, total)
            return
        # The more was counted since the last refusal, the less can the estimate be wrong.
        # Late refusals of what had been counted before may take back more than came since.
        counted = max(1.0, self._counted + (total - self._exit_total) / amount)
        self._set(now, rate * (1 + 0.5 * max(0.002, 1 / counted)), total, amount)

    def _growth(self, now: float, bracket: Bracket, amount: float) -> float:
        rate, refused_rate = bracket.rate, bracket.refused_rate
        if rate < 0.985 * refused_rate:
            return float((0.995 * refused_rate / rate) ** (1 / 3))
        for_requests = min(PATIENCE_REQUESTS * amount / rate, self._longest_patience)
        if now - self._since < max(self._patience_seconds, for_requests):
            return 1.0
        self._creep = max(self._creep, CREEP_REQUESTS * amount / (rate * STEP_SECONDS))
        if rate > refused_rate:
            self._creep *= 2
        self._creep = min(self._creep, CLIMB_AT_MOST)
        if rate > 1.01 * refused_rate:
            if self.state != "climbing":
                self._exits.clear()  # a deep bucket has filled up since
            self.state = "climbing"
            self.reason = "not refused where it was before: the limit has risen"
            self._creep = max(self._creep, CLIMB_AT_FIRST)
        return 1 + self._creep

    def _set(self, now: float, rate: float, total: float, amount: float = 0.0) -> None:
        rate = min(MOST, rate)
        if not self._paces or rate != self.rate:
            self._paces.append((now, rate))
        self._bracket = Bracket(rate, self.refused_rate)
        learning = self.state == "learning"
        self.step_at = now + (max(0.5, amount / rate) if learning else STEP_SECONDS)
        self._step_total = total
