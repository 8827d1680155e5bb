"""Scores as evaluation/summary.json has them; derived, and made anew after every evaluation."""

from collections.abc import Mapping, Sequence

from evaluation.pass_rates import Interval, PassRate
from evaluation.scores import ModelScore, Pair


def score_summary(
    found: Mapping[str, ModelScore], compared: Sequence[Pair], bad_problems: Mapping[str, str]
) -> dict[str, object]:
    """Return the JSON object: models, pairs of them, and problems that judge nobody."""
    return {
        "models": {model: _model(score) for model, score in found.items()},
        "pairs": [_pair(pair) for pair in compared],
        "bad_problems": dict(sorted(bad_problems.items())),
    }


def _model(score: ModelScore) -> dict[str, object]:
    return {
        "problems": len(score.problems),
        "judged": score.judged,
        "passed": score.passed,
        "verdicts": dict(sorted(score.verdicts.items())),
        "reasons": dict(sorted(score.reasons.items())),
        **{f"pass_at_{rate.k}": _rate(rate) for rate in score.rates()},
        "mean_test_fraction": score.test_fraction,
        "categories": {
            category: {
                "problems": len(score.categories[category]),
                "passed": sum(samples.passed for samples in score.categories[category].values()),
                "pass_at_1": _rate(rate) if rate else None,
            }
            for category, rate in score.category_rates().items()
        },
    }


def _pair(pair: Pair) -> dict[str, object]:
    difference = pair.difference
    return {
        "first": pair.first,
        "second": pair.second,
        "problems": difference.problems,
        "first_only": difference.first_only,
        "second_only": difference.second_only,
        "difference": difference.difference,
        "interval": _interval(difference.interval),
        "p_value": difference.p_value,
        "p_value_holm": pair.p_value,
    }


def _rate(rate: PassRate) -> dict[str, object]:
    return {"rate": rate.rate, "interval": _interval(rate.interval)}


def _interval(interval: Interval) -> list[float]:
    return [interval.low, interval.high]
