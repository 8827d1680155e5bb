"""How long answers took, as figures: one definition, for the terminal and for report.html."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import quantiles

from reports.outcomes import Outcome, SessionOutcomes

_STEPS = 40  # 2.5 percent each; charts.js draws the curve with them
_MEDIAN_STEP, _P95_STEP = 20, 38


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds within which 0, 2.5, 5 ... 100 percent of some answers came; () for no answers.

    Between two answers the line is straight, as in statistics.quantiles(method="inclusive").
    """

    curve: tuple[float, ...]

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Latencies":
        """Return the figures of these answers."""
        known = sorted(seconds)
        if not known:
            return cls(())
        at_least_two = known if len(known) > 1 else known * 2
        inner = quantiles(at_least_two, n=_STEPS, method="inclusive")
        return cls(tuple(round(moment, 3) for moment in (known[0], *inner, known[-1])))

    @property
    def median(self) -> float | None:
        """Half of the answers came within these seconds; None for no answers."""
        return self.curve[_MEDIAN_STEP] if self.curve else None

    @property
    def p95(self) -> float | None:
        """95 percent of the answers came within these seconds; None for no answers."""
        return self.curve[_P95_STEP] if self.curve else None


def answers_of(outcomes: SessionOutcomes, model: str) -> list[Outcome]:
    """Return what came of one model's tasks, without its failures."""
    return [
        outcome
        for problem in outcomes.problems
        for outcome in problem.by_model.get(model, ())
        if outcome.verdict != "failed"
    ]


def latencies_of(outcomes: SessionOutcomes, model: str) -> Latencies:
    """Return how long one model's answers took: the last attempt alone, without any waiting."""
    return Latencies.of(outcomes.seconds.get(model, ()))
