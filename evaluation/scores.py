"""What a session's judgements come to: pass rates a model and a category, and pairs that differ."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

from evaluation.evaluation_log import Key, Known
from evaluation.judgement import Verdict
from evaluation.pass_rates import (
    PairedDifference,
    PassRate,
    Samples,
    holm,
    paired_difference,
    pass_rate,
)

_SEED = 20  # equal judgements give equal intervals
_KS = (1, 5, 10)
_MOST_COMPARED_WITH_ALL = 20


@dataclass(slots=True)
class ModelScore:
    """One model's judgements.

    problems: task_id -> its samples, without those that were not run. verdicts, reasons: how many
    of each. test_fraction: the mean share of tests passed, CodeEval's own score.
    """

    model: str
    problems: dict[str, Samples] = field(default_factory=dict)
    verdicts: dict[Verdict, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    categories: dict[str, dict[str, Samples]] = field(default_factory=dict)
    fractions: list[float] = field(default_factory=list)

    @property
    def judged(self) -> int:
        """Samples that have a verdict; those that were not run have none."""
        return sum(self.verdicts.values()) - self.verdicts.get("not_run", 0)

    @property
    def passed(self) -> int:
        return self.verdicts.get("passed", 0)

    @property
    def test_fraction(self) -> float | None:
        return sum(self.fractions) / len(self.fractions) if self.fractions else None

    def rates(self) -> list[PassRate]:
        """Return pass@1, and pass@5 and pass@10 where every problem has the samples.

        Where the samples are fewer than 5, pass@k for as many as every problem has stands instead.
        """
        fewest = min((samples.count for samples in self.problems.values()), default=1)
        ks = _KS if fewest >= _KS[1] else sorted({1, fewest})
        found = [pass_rate(list(self.problems.values()), k, Random(_SEED)) for k in ks]
        return [rate for rate in found if rate is not None]

    def category_rates(self) -> dict[str, PassRate | None]:
        """Return category -> pass@1."""
        return {
            category: pass_rate(list(problems.values()), 1, Random(_SEED))
            for category, problems in sorted(self.categories.items())
        }


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models on the problems of both; p_value: Holm's, over all pairs."""

    first: str
    second: str
    difference: PairedDifference
    p_value: float


def scores(known: Iterable[tuple[Key, Known]]) -> dict[str, ModelScore]:
    """Return model -> its score."""
    found: dict[str, ModelScore] = {}
    for (model, task_id, _), judged in known:
        score = found.setdefault(model, ModelScore(model))
        score.verdicts[judged.verdict] = score.verdicts.get(judged.verdict, 0) + 1
        if judged.reason:
            score.reasons[judged.reason] = score.reasons.get(judged.reason, 0) + 1
        if judged.verdict == "not_run":
            continue
        is_passed = judged.verdict == "passed"
        by_task = score.categories.setdefault(judged.category, {})
        for problems in (score.problems, by_task):
            samples = problems.get(task_id, Samples(0, 0))
            problems[task_id] = Samples(samples.passed + is_passed, samples.count + 1)
        if judged.total_tests:
            score.fractions.append(judged.passed_tests / judged.total_tests)
    return dict(sorted(found.items()))


def pairs(found: Mapping[str, ModelScore]) -> list[Pair]:
    """Return every two models with problems in common, the surest difference first.

    Of many models each is compared with the best alone: others would only dilute the table.
    """
    differences: list[tuple[str, str, PairedDifference]] = []
    for first, second in _chosen_pairs(found):
        both = sorted(first.problems.keys() & second.problems.keys())
        samples = [(first.problems[task], second.problems[task]) for task in both]
        difference = paired_difference(samples, Random(_SEED))
        if difference is not None:
            differences.append((first.model, second.model, difference))
    adjusted = holm([difference.p_value for _, _, difference in differences])
    found_pairs = [
        Pair(first, second, difference, p_value)
        for (first, second, difference), p_value in zip(differences, adjusted, strict=True)
    ]
    return sorted(found_pairs, key=lambda pair: pair.p_value)


def _chosen_pairs(found: Mapping[str, ModelScore]) -> Iterable[tuple[ModelScore, ModelScore]]:
    models = list(found.values())
    if len(models) <= _MOST_COMPARED_WITH_ALL:
        return combinations(models, 2)
    best = max(models, key=lambda score: score.passed / max(1, score.judged))
    return [(best, other) for other in models if other is not best]
