"""The limiter's benchmark where a provider refuses everything for a while, then recovers."""

import itertools
from collections.abc import Iterator
from functools import partial
from math import exp

from benchmarks.rate_rows import Cell, Figure, Row, refused, use
from tests.support.simulated_provider import LIMIT_KINDS, LimitKind
from tests.support.simulated_run import Outcome, Scenario, simulate

LENGTHS_SECONDS = (5, 12, 25, 60, 180, 600)
LATER_SECONDS = 457
WATCHED_SECONDS = 600
NO_LIMIT_SLOTS = 50
MOST_IN_FLIGHT = 25
NO_LIMIT = 1e9
Kind = LimitKind | None


def outages(quick: bool) -> Iterator[Cell]:
    """Yield runs in which everything is refused for a while, at the start or later."""
    lengths = LENGTHS_SECONDS[2:3] if quick else LENGTHS_SECONDS
    kinds: tuple[Kind, ...] = (*LIMIT_KINDS, None)
    for cell in itertools.product((0, LATER_SECONDS), lengths, kinds, (False, True)):
        yield partial(outage, 500, *cell)
    for seconds, kind in itertools.product(lengths[::2], LIMIT_KINDS):
        yield partial(outage, 60, LATER_SECONDS, seconds, kind, False)
    for cell in itertools.product((0, LATER_SECONDS), lengths):
        yield partial(outage_under_calls_in_flight, *cell)


def outage(per_minute: int, at: int, seconds: int, kind: Kind, headers: bool) -> Row:
    """Return how a run goes on from the second minute after it was refused everything."""
    scenario = Scenario(
        kind=kind or "bucket 1 s",
        per_minute=per_minute if kind else NO_LIMIT,
        slots=None if kind else NO_LIMIT_SLOTS,
        minutes=(at + seconds + WATCHED_SECONDS) / 60,
        headers=headers,
        outages=((at, at + seconds),),
    )
    what = f"{per_minute}/min, {kind}" if kind else "no limit"
    return _row(f"{what}{', headers' if headers else ''}", scenario)


def outage_under_calls_in_flight(at: int, seconds: int) -> Row:
    """Return the same where calls in flight are limited, and refusals speak of nothing else."""
    scenario = Scenario(
        per_minute=NO_LIMIT,
        slots=2 * MOST_IN_FLIGHT,
        most_in_flight=MOST_IN_FLIGHT,
        minutes=(at + seconds + WATCHED_SECONDS) / 60,
        outages=((at, at + seconds),),
    )
    return _row(f"{MOST_IN_FLIGHT} in flight", scenario)


def _row(what: str, scenario: Scenario) -> Row:
    (start, end), *_ = scenario.outages
    when = "later" if start else "at the start"
    name = f"{what}, {end - start:g} s refused {when}"
    return Row(name, figures_after(simulate(scenario), int(end)))


def figures_after(outcome: Outcome, end: int) -> tuple[Figure, ...]:
    """Return the minutes after an outage, from the second on, and what was refused after it.

    While a minute's limit is being learned it is used up early in one minute and late in the
    next: there the first two minutes are taken together.
    """
    windows = outcome.scenario.kind.endswith("minute")
    start, name = (end, "first two minutes %") if windows else (end + 60, "second minute %")
    return (
        use(_use(outcome, start, end + 120), 80.0, name),
        use(_use(outcome, end + 60, end + WATCHED_SECONDS), 80.0, "minutes 2 to 10 %"),
        refused(outcome.refused_share(end, end + WATCHED_SECONDS), 2.0),
    )


def _use(outcome: Outcome, start: int, end: int) -> float:
    """Return the share of what was possible: of the limit, or of the speed of the slots."""
    scenario = outcome.scenario
    if scenario.per_minute < NO_LIMIT:
        return outcome.use(start, end)
    latency = scenario.latency_seconds * exp(scenario.latency_spread**2 / 2)
    at_once = scenario.most_in_flight or scenario.worker_count()
    return sum(outcome.admitted[start:end]) / (end - start) * latency / at_once
