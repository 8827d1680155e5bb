"""What evaluate_session.py prints: how far it is, and what it found."""

import sys
import time
from collections.abc import Mapping, Sequence

from evaluation.evaluate import Counts
from evaluation.pass_rates import PassRate, smallest_difference
from evaluation.scores import ModelScore, Pair
from runners.progress.terminal_text import printable
from scripts._terminal import print_table

_LINE_SECONDS = 10.0
_REDRAW_SECONDS = 0.2
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


class EvaluationProgress:
    """A line that is written over on a terminal; elsewhere a line every ten seconds."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._started = self._last = time.monotonic()
        self._was_drawn = False

    def show(self, counts: Counts) -> None:
        """Say how far it is, where it is time to."""
        now = time.monotonic()
        if now - self._last < (_REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS):
            return
        self._last = now
        done = counts.judged + counts.skipped
        rate = counts.judged / max(now - self._started, 1e-9)
        passed, failed = (counts.by_verdict.get(kind, 0) for kind in ("passed", "failed"))
        line = (
            f"{done}/{counts.total} judged, {passed} passed, {failed} failed, "
            f"{counts.by_reason.get('timeout', 0)} timeouts, {rate:.0f}/s"
        )
        if rate > 0:
            line += f", {(counts.total - done) / rate:.0f} s left"
        start, end = ("\r\x1b[K", "") if self._is_terminal else ("", "\n")
        print(start + line, end=end, file=sys.stderr, flush=True)
        self._was_drawn = True

    def finish(self) -> None:
        """Leave the terminal's line free."""
        if self._is_terminal and self._was_drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


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
        print(f"\nProblems that judge no model ({len(bad)}):")
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
        print(f"{unsure} of {len(compared)} pairs of models do not differ for sure.")
    most = max(pair.difference.problems for pair in compared)
    points = 100 * smallest_difference(most)
    print(f"{most} problems show a difference of about {points:.0f} points, and hardly a smaller.")


def _percent(rate: PassRate) -> str:
    return f"{100 * rate.rate:.1f} %"


def _interval(rate: PassRate) -> str:
    return f"{100 * rate.interval.low:.0f} to {100 * rate.interval.high:.0f} %"
