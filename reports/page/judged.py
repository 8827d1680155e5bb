"""What an evaluation found, as report.html shows it: a letter a problem, and the isolation."""

from collections.abc import Iterable, Mapping
from shlex import quote

import msgspec

from reports.outcomes import ProblemOutcomes, SessionOutcomes
from storage.files.utf8_text import clean_text
from storage.solution_store import SolutionStore
from storage.views.verdicts import NO_ISOLATION, JudgedAnswer, last_judgements

Judgements = Mapping[tuple[str, str, int], JudgedAnswer]  # model, task_id, sample
# page.js has the same letters; flaky counts as failed.
_LETTERS = {"passed": "p", "failed": "w", "flaky": "w", "not_run": "q"}
_NOT_JUDGED = "-"


class EvaluationLine(msgspec.Struct):
    """What is said of the evaluation at the top; command: what makes one, "" where there is one.

    is_unsafe: answers ran with nothing between them and the machine.
    """

    text: str
    command: str
    is_unsafe: bool


class JudgedModel(msgspec.Struct):
    """One model's answers: passed of those judged (not_run apart), and each problem's letter.

    letters: of the first samples.
    """

    passed: int
    judged: int
    not_run: int
    letters: str


def read_judgements(store: SolutionStore, outcomes: SessionOutcomes) -> Judgements:
    """Return what was said last of each answer; empty where nothing was judged."""
    return last_judgements(
        path for model in outcomes.models for path in store.get_category_files(model).values()
    )


def evaluation_line(store: SolutionStore, judgements: Judgements) -> EvaluationLine:
    """Return which isolation was in force, or how to get an evaluation."""
    if not judgements:
        place = clean_text(str(store.path))
        return EvaluationLine(
            "Not evaluated: no tests were run, so which answers are right is not known. Run them:",
            f"python scripts/evaluate_session.py {quote(place)}",
            is_unsafe=False,
        )
    ways = [judged.isolation for judged in judgements.values()]
    unsafe = ways.count(NO_ISOLATION)
    named = ", ".join(sorted({clean_text(way) for way in ways if way})) or "not known"
    text = f"Evaluated: {len(ways):,} answers judged by their problems' tests; isolation: {named}."
    if unsafe:
        text += f" UNSAFE: {unsafe:,} of them ran without a sandbox (--unsafe-no-sandbox)."
    return EvaluationLine(text, "", is_unsafe=unsafe > 0)


def judged_model(
    label: str, problems: Iterable[ProblemOutcomes], judgements: Judgements
) -> JudgedModel | None:
    """Return what became of a model's answers, None where nothing was judged at all."""
    if not judgements:
        return None
    own = [judged for (model, _, _), judged in judgements.items() if model == label]
    firsts = (judgements.get((label, problem.task_id, 1)) for problem in problems)
    passed = [judged.passed for judged in own]
    return JudgedModel(
        passed=passed.count(True),
        judged=len(passed) - passed.count(None),
        not_run=passed.count(None),
        letters="".join(
            _LETTERS.get(first.verdict, "q") if first else _NOT_JUDGED for first in firsts
        ),
    )
