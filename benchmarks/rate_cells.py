"""The simulations of the limiter's benchmark: each cell is a run, or two, and makes one row."""

import itertools
from collections.abc import Iterator
from functools import partial

from benchmarks.outage_cells import outages
from benchmarks.rate_rows import Cell, Figure, Row, percent, refused, use
from benchmarks.width_cells import widths
from tests.support.simulated_provider import LIMIT_KINDS, LimitKind
from tests.support.simulated_run import TOKENS_PER_REQUEST, Outcome, Scenario, simulate
from tests.support.virtual_clock import WALL_CLOCK_AT_START

MINUTES = {60: 60.0, 180: 60.0, 500: 50.0, 1200: 30.0, 3000: 20.0}
CHANGED_AT_SECONDS = 1337.0


def unknown_limits(quick: bool) -> Iterator[Cell]:
    """Yield the grid without headers: five limits, four kinds, refused calls counted or not."""
    limits = [60, 500] if quick else list(MINUTES)
    for cell in itertools.product(limits, LIMIT_KINDS, (False, True)):
        yield partial(unknown_limit, *cell)


def unknown_limit(per_minute: int, kind: LimitKind, counted: bool) -> Row:
    """Return a run without headers, as soon as it should have converged, and on the way there."""
    minutes = MINUTES[per_minute]
    outcome = simulate(
        Scenario(kind=kind, per_minute=per_minute, minutes=minutes, counts_refused=counted)
    )
    bucket = kind.startswith("bucket")
    start = 600 if bucket else min(2400, 30 * minutes)
    most_refused = 1.5 if per_minute < 100 and counted else 0.5
    return Row(
        f"{per_minute}/min, {kind}{', refused count' if counted else ''}",
        (
            use(outcome.use(start, 60 * minutes)),
            refused(outcome.refused_share(start, 60 * minutes), most_refused),
            use(outcome.use(0, 600), 80.0, "first 10 min %"),
            Figure(
                name="converged min",
                value=outcome.converged_minute(),
                target=10 if bucket else 40,
                at_least=False,
            ),
        ),
    )


def announced_limits(quick: bool) -> Iterator[Cell]:
    """Yield the grid with headers."""
    limits = [60, 500] if quick else [60, 180, 500, 3000]
    for cell in itertools.product(limits, LIMIT_KINDS):
        yield partial(announced_limit, *cell)


def announced_limit(per_minute: int, kind: LimitKind) -> Row:
    """Return a run with headers: from the second minute, the first reply, and the start.

    The last figure is the first minute beside the most that can be sent in it without a risk:
    one request a second, the first of them at once, until a reply can tell the limit, which a limit
    of 60 a minute permits.
    """
    outcome = simulate(Scenario(kind=kind, per_minute=per_minute, minutes=10, headers=True))
    told_at = next(c.at for c in outcome.changes) - WALL_CLOCK_AT_START
    first_minute = outcome.use(0, 60)
    without_risk = (told_at + (60 - told_at) * per_minute / 60) / per_minute
    return Row(
        f"{per_minute}/min, {kind}, headers",
        (
            use(outcome.use(60, 600)),
            refused(outcome.refused_share(0, 600), 0.0),
            use(outcome.use(told_at + 1, told_at + 61), 98.0, "told minute %"),
            use(first_minute, 98.0, "first minute %"),
            use(first_minute / without_risk, 98.0, "first minute, of what is without risk %"),
            use(outcome.use(0, 600), 98.0, "first 10 min %"),
        ),
    )


def token_limits(quick: bool) -> Iterator[Cell]:
    """Yield runs in which the token limit binds before that for requests."""
    limits = [500] if quick else [200, 500, 2000]
    for cell in itertools.product(limits, LIMIT_KINDS, (False, True)):
        yield partial(token_limit, *cell)


def token_limit(per_minute: int, kind: LimitKind, headers: bool) -> Row:
    """Return a run under a token limit that is worth so many requests a minute."""
    minutes = 12.0 if headers else 30.0
    outcome = simulate(
        Scenario(
            kind=kind,
            per_minute=2 * per_minute,
            tokens_per_minute=per_minute * TOKENS_PER_REQUEST,
            minutes=minutes,
            headers=headers,
            names_meter=True,
        )
    )
    start = 60 if headers else 1200
    return Row(
        f"tokens of {per_minute} requests/min, {kind}{', headers' if headers else ''}",
        (
            use(outcome.use(start, 60 * minutes)),
            refused(outcome.refused_share(start, 60 * minutes), 0.0 if headers else 0.5),
            use(outcome.use(0, 600), 80.0, "first 10 min %"),
        ),
    )


def two_models(quick: bool) -> Iterator[Cell]:
    """Yield runs of two models on one key, with one limit for both or one each."""
    for cell in itertools.product(LIMIT_KINDS, (True,) if quick else (True, False)):
        yield partial(two_models_of_one_key, *cell)
    for kind in LIMIT_KINDS:
        yield partial(two_models_that_differ, kind)


def two_models_of_one_key(kind: LimitKind, shared: bool) -> Row:
    """Return a run of two models, with the share of the one that got less."""
    outcome = simulate(Scenario(kind=kind, models=2, shares_key=shared, minutes=40))
    counts = outcome.by_model.values()
    return Row(
        f"500/min, {kind}, two models, {'one limit' if shared else 'a limit each'}",
        (
            use(outcome.use(1200, 2400)),
            refused(outcome.refused_share(1200, 2400)),
            use(outcome.use(0, 600), 80.0, "first 10 min %"),
            use(min(counts) / max(counts), 98.0, "fairness %"),
        ),
    )


def two_models_that_differ(kind: LimitKind) -> Row:
    """Return a run of two models with unequal limits, which both meet in the first minute."""
    limits = (200, 300)
    outcome = simulate(
        Scenario(kind=kind, per_minute=300, models=2, by_model_per_minute=limits, minutes=40)
    )
    shares = [outcome.by_model[f"model-{i}"] / limit / 40 for i, limit in enumerate(limits)]
    return Row(
        f"200 and 300/min, {kind}, two models, a limit each",
        (
            use(outcome.use(1200, 2400)),
            refused(outcome.refused_share(1200, 2400)),
            use(outcome.use(0, 600), 80.0, "first 10 min %"),
            use(min(shares), 95.0, "least of its own limit %"),
        ),
    )


def changing_limits(quick: bool) -> Iterator[Cell]:
    """Yield runs in which the limit halves or doubles after twenty minutes."""
    limits = [500] if quick else [60, 500, 1500]
    for per_minute, kind, factor in itertools.product(limits, LIMIT_KINDS, (0.5, 2.0)):
        base = 120 if factor < 1 and per_minute == 60 else per_minute
        yield partial(changing_limit, base, kind, factor)


def changing_limit(base: int, kind: LimitKind, factor: float) -> Row:
    """Return how soon a run has found a limit that changed, and how well it then uses it."""
    outcome = simulate(changing(kind, base, factor))
    start, end = CHANGED_AT_SECONDS + 600, CHANGED_AT_SECONDS + 1200
    return Row(
        f"{base}/min, {kind}, then x{factor:g}",
        (
            Figure(
                name="90 % again after min",
                value=round(recovery_seconds(outcome, factor) / 60, 1),
                target=10,
                at_least=False,
            ),
            use(outcome.use(start, end, factor), 90.0),
        ),
    )


def changing(kind: LimitKind, per_minute: float, factor: float) -> Scenario:
    """Return a run whose limit changes, to be measured from ten minutes after."""
    changes = ((CHANGED_AT_SECONDS, factor),)
    return Scenario(kind=kind, per_minute=per_minute, minutes=44, changes=changes)


def recovery_seconds(outcome: Outcome, factor: float) -> float:
    """Return how long after the change a minute began from which 90 % were used again."""
    begin = int(CHANGED_AT_SECONDS)
    recovered = (
        at - begin
        for at in range(begin, begin + 1200, 5)
        if outcome.use(at, at + 60, factor) >= 0.9 and outcome.use(at, at + 120, factor) >= 0.9
    )
    return next(recovered, float("inf"))


def resumes(quick: bool) -> Iterator[Cell]:
    """Yield first minutes of runs that start with what the last one learned."""
    for cell in itertools.product(LIMIT_KINDS[:1] if quick else LIMIT_KINDS, (False, True)):
        yield partial(resumed, *cell)


def resumed(kind: LimitKind, headers: bool) -> Row:
    """Return the first minute of a run that starts with what the last one learned."""
    first = simulate(Scenario(kind=kind, minutes=20, headers=headers))
    again = simulate(
        Scenario(kind=kind, minutes=10, seed=2, headers=headers, snapshot=first.snapshot)
    )
    return Row(
        f"500/min, {kind}{', headers' if headers else ''}, after an earlier run",
        (
            use(again.use(0, 60), 98.0, "first minute %"),
            refused(again.refused_share(0, 600), 0.0 if headers else 0.5),
        ),
    )


def short_runs(quick: bool) -> Iterator[Cell]:
    """Yield 700 tasks against 1,200 a minute that nobody announced."""
    kinds = LIMIT_KINDS[:1] if quick else LIMIT_KINDS
    for cell in itertools.product(kinds, (1.0, 4.0)):
        yield partial(short_run, *cell)


def short_run(kind: LimitKind, latency_seconds: float) -> Row:
    """Return how fast 700 tasks were sent, beside 1,200 a minute."""
    outcome = simulate(
        Scenario(
            kind=kind,
            per_minute=1200,
            tasks=700,
            slots=200,
            latency_seconds=latency_seconds,
            minutes=5,
        )
    )
    share = 700 / 20 / outcome.last_admitted_at
    return Row(
        f"700 tasks, 1200/min, {kind}, latency {latency_seconds:g} s",
        (use(share, 85.0), refused(outcome.refused_share(0, 300), 5.0)),
    )


def unlimited_runs() -> Iterator[Cell]:
    """Yield runs that meet no limit."""
    for cell in itertools.product((3, 50, 400), (False, True)):
        yield partial(unlimited_run, *cell)


def unlimited_run(slots: int, headers: bool) -> Row:
    """Return how much a run is slowed that takes five minutes without a limiter."""
    scenario = Scenario(
        per_minute=1e9,
        slots=slots,
        tasks=slots * 75,
        minutes=10,
        headers=headers,
        latency_spread=0,
    )
    seconds = simulate(scenario).last_admitted_at + scenario.latency_seconds
    return Row(
        f"no limit, {slots} slots{', headers expected' if headers else ''}",
        (percent("slower %", seconds / 300 - 1, 3.0, at_least=False),),
    )


def long_run() -> Row:
    """Return the last of 24 hours."""
    outcome = simulate(Scenario(kind="sliding minute", per_minute=60, minutes=24 * 60))
    start, end = 23 * 3600, 24 * 3600
    return Row(
        "60/min, sliding minute, hour 24",
        (use(outcome.use(start, end)), refused(outcome.refused_share(start, end))),
    )


def cells(quick: bool) -> Iterator[Cell]:
    """Yield what makes the rows of the table, in their order."""
    yield from unknown_limits(quick)
    yield from announced_limits(quick)
    yield from token_limits(quick)
    yield from two_models(quick)
    yield from changing_limits(quick)
    yield from outages(quick)
    yield from resumes(quick)
    yield from short_runs(quick)
    yield from unlimited_runs()
    yield from widths(quick)
    if not quick:
        yield long_run
