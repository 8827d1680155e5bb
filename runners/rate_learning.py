"""What one meter of one scope permits: learns it from refusals, and paces just under it."""

import math
from collections import deque
from typing import Literal

from config.rate_signal import RateSignal
from runners.admission_log import AdmissionLog
from runners.rate_meter import Pacer

Phase = Literal["open", "riding", "holding"]

HEADROOM = 0.99
LONGEST_WAIT_SECONDS = 8.0
RIDE_SECONDS = 62.0


class RateLearner:
    """One meter; amounts are requests or tokens, rates are per second."""

    def __init__(self, ceiling_per_minute: float | None) -> None:
        self.ceiling = None if ceiling_per_minute is None else HEADROOM * ceiling_per_minute / 60
        self.announced_limit: float | None = None
        self.learned: float | None = None
        self.refused_rate = math.inf
        self.phase: Phase = "open"
        self.log = AdmissionLog()
        self.pacer = Pacer(self.ceiling)
        self.blocked_until: float | None = None
        self.frozen_until = -math.inf
        self._refusal_seconds = 0.3
        self._wait = 0.0
        self._probe_at: float | None = None
        self._exit_at = -math.inf
        self._exits: deque[tuple[float, float]] = deque(maxlen=400)
        self._step_at = -math.inf
        self._step_total = 0.0
        self._quick = 0
        self._blocked_at = -math.inf
        self._probes_refused = 0
        self._estimate = 0.0
        self._first = 0.0
        self._exiting = False
        self._last_refused_at = 0.0
        self._blind = False
        self._rates: deque[tuple[float, float]] = deque()
        self._exit_total = 0.0
        self._ride_from = 0.0
        self._counted = 1.0
        self._held_since = 0.0
        self._creep = 0.005
        self._anchor: tuple[float, float] | None = None
        self._deep = False
        self._amount = 1.0

    # -- the way of one request
    def ready_at(self, now: float) -> float:
        if self.blocked_until is None:
            return self.pacer.due
        if self._probe_at is not None:
            sure_at = self._probe_at + max(0.1, 2 * self._refusal_seconds)
            if now < sure_at:
                return sure_at
            self._exit(now, self._probe_at)
            return self.pacer.due
        return max(self.blocked_until, self.pacer.due)

    def sent(self, now: float, amount: float) -> None:
        if self.blocked_until is not None:
            self._probe_at = now
        self.log.add(now, amount)
        self._amount += 0.05 * (amount - self._amount)
        self.pacer.take(now, amount)
        if self.learned is not None and now >= self._step_at:
            self._step(now)

    def unsent(self, sent_at: float, amount: float) -> None:
        if self._probe_at == sent_at:
            self._probe_at = None
        self.log.correct(-amount)
        self.pacer.correct(-amount)

    def corrected(self, amount: float) -> None:
        self.log.correct(amount)
        self.pacer.correct(amount)

    def accepted(self, now: float, sent_at: float) -> None:
        if self._probe_at is not None and sent_at >= self._probe_at:
            self._exit(now, self._probe_at)

    def refused(self, now: float, sent_at: float, amount: float, retry_after_seconds: float) -> None:
        self.log.correct(-amount)
        self._refusal_seconds = 0.8 * self._refusal_seconds + 0.2 * (now - sent_at)
        if self.blocked_until is None:
            if sent_at <= self._exit_at:
                return
            rate = self.pacer.per_second or self._admitted_rate(now)
            self._wait = max(0.25, 2.2 * self._amount / rate)
            self._probes_refused = 0
            self._last_refused_at = now
            self._blocked_at = now
            if self.learned is not None:
                self.refused_rate = rate
            else:
                self._first = self.log.briskest(now)
            self.blocked_until = now + max(self._wait, retry_after_seconds)
        elif self._probe_at == sent_at:
            rate = self.pacer.per_second or self._admitted_rate(now)
            self._wait = min(2 * self._wait, max(LONGEST_WAIT_SECONDS, 1.2 * self._amount / rate))
            self._probe_at = None
            self._probes_refused += 1
            self._last_refused_at = now
            self.blocked_until = now + max(self._wait, retry_after_seconds)

    def announced(self, now: float, signal: RateSignal) -> None:
        limit = signal.limit_per_minute
        if limit is not None and limit > 0 and limit / 60 != self.announced_limit:
            self.announced_limit = limit / 60
            self._pace(now)

    # -- learning
    def _admitted_rate(self, now: float) -> float:
        if self.blocked_until is not None or self._exiting:
            now = 0.5 * (self._last_refused_at + now)
        span = self.log.span(now)
        return max(self.log.admitted_in_span(now), self._amount) / (span if span >= 60 else span + 1)

    def _pace(self, now: float) -> None:
        bounds = [self.learned, self.ceiling]
        if self.announced_limit is not None:
            bounds.append(HEADROOM * self.announced_limit)
        known = [b for b in bounds if b is not None]
        self.pacer.set_rate(now, min(known) if known else None)

    def _set(self, now: float, rate: float) -> None:
        if rate != self.learned:
            self._rates.append((now, rate))
        self.learned = rate
        self._step_at = now + (max(0.5, self._amount / rate) if self.phase == "riding" else 15)
        self._step_total = self.log.total
        self._pace(now)

    def _exit(self, now: float, at: float) -> None:
        self.blocked_until = None
        self._probe_at = None
        quick = at - self._exit_at
        mark = (at, self.log.total)
        rate = self.pacer.per_second
        self._exiting = True
        admitted = self._admitted_rate(at)
        self._exiting = False
        if self.phase == "open":
            first = self._first if not self._probes_refused else min(self._first, admitted)
            self._ride(now, at, 0.97 * first)
        elif self.phase == "riding":
            if at - self._ride_from >= 55:
                self._settle(now, admitted, rate)
            else:
                since = next((e for e in self._exits if e[0] >= max(self._ride_from, at - 15)), None)
                if since is None:
                    since = self._exits[-1]
                self._counted = (self.log.total - since[1]) / self._amount
                est = (self.log.total - since[1]) / (at - since[0])
                if self._counted < 20:
                    est = max(est, 0.6 * rate)
                self._ride_pace(now, 0.97 * min(est, rate))
        else:
            assert rate is not None
            if quick > 30:
                self._quick = 0
                self._anchor = next((e for e in self._exits if at - e[0] < 900), None)
            self._quick += 1
            if (admitted < 0.75 * rate and self._probes_refused > 1) or self._quick >= 3:
                self._quick = 0
                self._ride(now, at, 0.97 * min(admitted, rate))
            elif self._quick == 2 and self._anchor is not None:
                est = (self.log.total - self._anchor[1]) / (at - self._anchor[0])
                if est < 0.97 * rate:
                    self._deep = True
                self._hold(now, 0.99 * min(est, rate), rate)
            else:
                self._settle(now, admitted, rate)
        self._rates.clear()
        assert self.learned is not None
        self._rates.append((now, self.learned))
        self._exit_at = at
        self._exit_total = self.log.total
        self._exits.append(mark)

    def _settle(self, now: float, admitted: float, refused_rate: float) -> None:
        lived = self._lived(now)
        estimate = min(max(admitted, lived), refused_rate)
        agreed = abs(estimate - self._estimate) < 0.02 * estimate
        self._estimate = estimate
        if self._probes_refused:
            refused_rate = estimate + (refused_rate - estimate) / 3
        rate = max(0.99 * min(admitted, refused_rate), 0.997 * min(lived, refused_rate))
        self._hold(now, rate, 1.01 * estimate if agreed else refused_rate)

    def _lived(self, now: float) -> float:
        """The rate that was in force, unrefused, for the last 75 s, or 0."""
        lived = 0.0
        for at, rate in self._rates:
            if at > self._blocked_at - 125:
                break
            lived = rate
        return lived

    def _ride(self, now: float, at: float, rate: float) -> None:
        self.phase = "riding"
        self._blind = self.log.span(now) < 60
        self._ride_from = at
        self._counted = max(1.0, self.log.admitted_in_span(now) / self._amount)
        self._set(now, rate)

    def _ride_pace(self, now: float, rate: float) -> None:
        self._set(now, rate)

    def _hold(self, now: float, rate: float, refused_rate: float) -> None:
        self.phase = "holding"
        self.refused_rate = refused_rate
        self._held_since = now
        self._creep = 0.00125
        self._set(now, rate)

    def _step(self, now: float) -> None:
        rate = self.learned
        assert rate is not None
        if self.phase == "riding":
            if now - self._ride_from > 75:
                if self._blind:
                    self._hold(now, rate, rate)
                    self._held_since = -math.inf
                    self._creep = 0.03
                else:
                    self._hold(now, rate, max(rate, self.refused_rate))
                return
            counted = self._counted + (self.log.total - self._exit_total) / self._amount
            self._set(now, rate * (1 + 0.5 * max(0.002, 1 / counted)))
            return
        used = self.log.total - self._step_total
        if used < 0.8 * rate * 15 or now < self.frozen_until:
            self._set(now, rate)
            return
        if rate < 0.985 * self.refused_rate:
            self._set(now, rate * (0.995 * self.refused_rate / rate) ** (1 / 3))
        elif now - self._held_since < max(120, 120 * self._amount / rate):
            self._set(now, rate)
        else:
            if rate > 1.01 * self.refused_rate:
                self._creep = min(max(0.01, 2 * self._creep), 0.16)
            self._set(now, rate * (1 + self._creep))
