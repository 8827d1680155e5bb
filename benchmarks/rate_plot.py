"""The plot of what was admitted over time against the true limit."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from matplotlib.figure import Figure

from tests.support.simulated_provider import LIMIT_KINDS, LimitKind
from tests.support.simulated_run import Outcome, Scenario, simulate


def draw(path: Path) -> None:
    """Write the plot for four kinds of limit."""
    figure = Figure(figsize=(9, 10))
    axes = figure.subplots(4, 1, sharex=True)
    with ProcessPoolExecutor() as pool:
        outcomes = list(pool.map(_run, LIMIT_KINDS))
    for axis, kind, outcome in zip(axes, LIMIT_KINDS, outcomes, strict=True):
        minutes = [second / 60 for second in range(0, 3600, 10)]
        sent = [6 * sum(outcome.admitted[s : s + 10]) for s in range(0, 3600, 10)]
        refusals = [6 * sum(outcome.refused[s : s + 10]) for s in range(0, 3600, 10)]
        axis.plot(minutes, sent, linewidth=0.9, label="admitted")
        axis.plot(minutes, refusals, linewidth=0.9, color="tab:red", label="refused")
        axis.step([0, 20, 40, 60], [500, 500, 250, 1000], "k--", linewidth=0.9, label="limit")
        axis.set(title=kind, ylabel="requests a minute", ylim=(0, 1400))
    axes[0].legend(loc="upper left", ncols=3)
    axes[-1].set_xlabel("minutes; nothing is announced, the limit halves, then quadruples")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _run(kind: LimitKind) -> Outcome:
    return simulate(Scenario(kind=kind, minutes=60, changes=((1200.0, 0.5), (2400.0, 4.0))))
