"""The plot of what was admitted over time against the true limit."""

import importlib
import importlib.util
from pathlib import Path

from tests.support.simulated_provider import LIMIT_KINDS
from tests.support.simulated_run import Scenario, simulate


def draw(path: Path) -> bool:
    """Write the plot for four kinds of limit; False where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return False
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(4, 1, figsize=(9, 10), sharex=True)
    for axis, kind in zip(axes, LIMIT_KINDS, strict=True):
        changes = ((1200.0, 0.5), (2400.0, 4.0))
        outcome = simulate(Scenario(kind=kind, minutes=60, changes=changes))
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
    return True
