"""How wide `--max-concurrent auto` gets: servers that saturate, and one that refuses."""

from collections.abc import Iterator
from functools import partial

from benchmarks.rate_rows import Cell, Figure, Row, use
from tests.support.served_width import Slowness, WideRun, crowding, queueing, thrashing

_LATENCY_SECONDS = 5.0
_SECONDS = 1200  # the first half finds the width
_FIXED_WIDTHS = [round(2 ** (step / 4)) for step in range(57)]
_SERVERS: dict[str, Slowness] = {
    "64 places": queueing(64),
    "200 places": queueing(200),
    "500 places": queueing(500),
    "1000 places": queueing(1000),
    "300 places, slower beyond": thrashing(300),
    "half speed at 100": crowding(100),
}


def widths(quick: bool) -> Iterator[Cell]:
    """Yield runs against servers that refuse nothing, and one against a limit on the rate."""
    for name in list(_SERVERS)[:2] if quick else _SERVERS:
        yield partial(saturating, name)
    for per_second in (30.0,) if quick else (10.0, 30.0):
        yield partial(refusing, per_second)


def saturating(name: str) -> Row:
    """Return the answers of a run's second half beside those of the best fixed width."""
    slowness = _SERVERS[name]
    best = max(width / slowness(width) for width in _FIXED_WIDTHS) / _LATENCY_SECONDS
    run = WideRun(slowness, _SECONDS, _LATENCY_SECONDS).go()
    share = run.throughput(_SECONDS // 2, _SECONDS) / best
    return Row(f"auto width, {name}", (use(share, 90.0, "of the best fixed width %"),))


def refusing(per_second: float) -> Row:
    """Return how many calls are refused, beside a width of 256 at most."""
    runs = [
        WideRun(
            *(queueing(10_000), 600, _LATENCY_SECONDS),
            permitted_per_second=per_second,
            most_width=most,
        ).go()
        for most in (256, 1_000_000)
    ]
    narrow, wide = (run.refused for run in runs)
    return Row(
        f"auto width, {60 * per_second:g}/min",
        (Figure(name="refused, as with 256", value=wide, target=narrow, at_least=False),),
    )
