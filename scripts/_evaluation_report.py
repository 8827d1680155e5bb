"""What evaluate_session.py prints of what it found."""

from collections.abc import Mapping, Sequence

from evaluation.pass_rates import PassRate, smallest_difference
from evaluation.scores import ModelScore, Pair
from runners.progress.terminal_text import printable
from scripts._terminal import print_table

_MOST_NAMED = 10
_SURE = 0.05
_HEADINGS = (
    "model",
    "passed",
    "pass@1",
    "95 % interval",
    "tests passed",
    "timeouts",
    "forged",
    "flaky",
    "not run",
)


def print_scores(found: Mapping[str, ModelScore], compared: Sequence[Pair]) -> None:
    """Print a row a model, then the pairs of models that differ."""
    print_table(_HEADINGS, [_row(score) for score in found.values()])
    for score in found.values():
        for rate in score.rates()[1:]:
            print(printable(f"{score.model}: pass@{rate.k} {_percent(rate)} {_interval(rate)}"))
    if compared:
        _print_pairs(compared)


def print_bad_problems(bad: Mapping[str, str]) -> None:
    """Name the problems that judge no model, and why."""
    if bad:
        print(f"\nProblems excluded for every model ({len(bad)}):")
        for task_id, reason in sorted(bad.items())[:_MOST_NAMED]:
            print(printable(f"  {task_id}: {reason[:200]}"))
        if len(bad) > _MOST_NAMED:
            print(f"  ... and {len(bad) - _MOST_NAMED} more, in self_test.jsonl")


def _row(score: ModelScore) -> list[str]:
    rate = next(iter(score.rates()), None)
    fraction = score.test_fraction
    return [
        score.model,
        f"{score.passed} of {score.judged}",
        _percent(rate) if rate else "-",
        _interval(rate) if rate else "-",
        "-" if fraction is None else f"{100 * fraction:.1f} %",
        str(score.reasons.get("timeout", 0)),
        str(score.reasons.get("forged", 0)),
        str(score.verdicts.get("flaky", 0)),
        str(score.verdicts.get("not_run", 0)),
    ]


def _print_pairs(compared: Sequence[Pair]) -> None:
    print()
    sure = [pair for pair in compared if pair.p_value < _SURE]
    for pair in sure[:_MOST_NAMED]:
        found = pair.difference
        better, worse = (
            (pair.first, pair.second) if found.difference > 0 else (pair.second, pair.first)
        )
        alone = sorted((found.first_only, found.second_only), reverse=True)
        print(
            printable(
                f"{better} solves more than {worse}: {alone[0]} of {found.problems} problems "
                f"it alone, {alone[1]} the other alone (p = {pair.p_value:.2g})"
            )
        )
    if len(sure) < len(compared):
        unsure = len(compared) - len(sure)
        print(f"{unsure} of {len(compared)} pairs of models do not differ significantly.")
    most = max(pair.difference.problems for pair in compared)
    points = 100 * smallest_difference(most)
    print(f"{most} problems show a difference of about {points:.0f} points, hardly a smaller one.")


def _percent(rate: PassRate) -> str:
    return f"{100 * rate.rate:.1f} %"


def _interval(rate: PassRate) -> str:
    return f"{100 * rate.interval.low:.0f} to {100 * rate.interval.high:.0f} %"
