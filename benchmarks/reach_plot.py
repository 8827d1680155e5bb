"""The curves behind the two targets that are not met everywhere, for docs/rate-control.md.

Left: what is sent in the first minute with headers, beside what is permitted. Middle and right:
what share of an announced token limit is used, and what is refused, by the distance kept from it.
"""

import itertools
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runners.rate_control import announced_limit
from tests.support.simulated_provider import LimitKind
from tests.support.simulated_run import TOKENS_PER_REQUEST, Scenario, simulate

Limit = tuple[LimitKind, int]

FIRST_MINUTES = (60, 180, 500, 3000)
TOKEN_LIMITS: tuple[Limit, ...] = (
    ("bucket 1 s", 200),
    ("fixed minute", 200),
    ("sliding minute", 200),
    ("sliding minute", 500),
)
DISTANCES = (0.5, 1.0, 1.8, 3.0, 5.0)
"""Percent under the limit."""
MINUTES = 15


def draw_reach(path: Path) -> None:
    """Write the curves."""
    figure = Figure(figsize=(15, 4.5))
    first, used, refused = figure.subplots(1, 3)
    cells = list(itertools.product(TOKEN_LIMITS, DISTANCES))
    with ProcessPoolExecutor() as pool:
        points = pool.map(_token_point, cells)
        _draw_first_minute(first)
        _draw_distances(used, refused, list(points))
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def _first_minute(per_minute: int) -> list[float]:
    """Return what was admitted until each second, in percent of the minute."""
    outcome = simulate(Scenario(per_minute=per_minute, minutes=2, headers=True))
    admitted = itertools.accumulate(outcome.admitted[:60], initial=0)
    return [100 * total / per_minute for total in admitted]


def _token_point(cell: tuple[Limit, float]) -> tuple[float, float]:
    """Return the used and the refused share in percent, at one distance from the limit."""
    (kind, per_minute), distance = cell
    announced_limit.UNEVEN_HEADROOM = 1 - distance / 100
    outcome = simulate(
        Scenario(
            kind=kind,
            per_minute=2 * per_minute,
            tokens_per_minute=per_minute * TOKENS_PER_REQUEST,
            minutes=MINUTES,
            headers=True,
            names_meter=True,
        )
    )
    end = 60 * MINUTES
    return 100 * outcome.use(60, end), 100 * outcome.refused_share(0, end)


def _draw_first_minute(axes: Axes) -> None:
    axes.plot([0, 60], [0, 100], "k--", linewidth=0.9, label="permitted")
    for per_minute in FIRST_MINUTES:
        curve = _first_minute(per_minute)
        label = f"{per_minute} a minute: {curve[-1]:.0f} %"
        axes.plot(range(61), curve, linewidth=0.9, label=label)
    axes.set(
        title="The first minute with headers (1 s bucket)",
        xlabel="seconds; one request a second until the first reply",
        ylabel="admitted, % of a minute",
    )
    axes.legend()


def _draw_distances(used: Axes, refused: Axes, points: Sequence[tuple[float, float]]) -> None:
    for at, (kind, per_minute) in enumerate(TOKEN_LIMITS):
        curve = points[at * len(DISTANCES) :][: len(DISTANCES)]
        label = f"{kind}, {per_minute} requests"
        for axes, values in zip((used, refused), zip(*curve, strict=True), strict=True):
            axes.plot(DISTANCES, values, marker="o", markersize=3, linewidth=0.9, label=label)
    for axes, target in ((used, 98), (refused, 0)):
        axes.axhline(target, color="k", linestyle="--", linewidth=0.9, label="target")
        axes.axvline(
            100 - 100 * announced_limit.UNEVEN_HEADROOM, color="grey", linewidth=0.6, label="kept"
        )
        axes.set_xlabel("distance kept from the announced token limit, %")
    used.set(title="Token limits worth so many requests a minute", ylabel="used, %")
    refused.set(title="The same: what is refused", ylabel="refused, % of the requests")
    refused.legend(fontsize=8)
