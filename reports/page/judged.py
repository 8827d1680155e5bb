"""What an evaluation found, as report.html shows it: letters, counts, and the isolation."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from shlex import quote

import msgspec

from reports.outcomes import ProblemOutcomes, SessionOutcomes
from storage.files.utf8_text import clean_text
from storage.solution_store import SolutionStore
from storage.views.verdicts import (
    NO_ISOLATION,
    JudgedAnswer,
    judgement_file,
    last_judgements,
    placed_judgements,
    read_score_summary,
)


@dataclass(frozen=True, slots=True)
class PlacedJudgement:
    """What was said of an answer, and where its line stands (bytes)."""

    answer: JudgedAnswer
    path: Path
    offset: int


Judgements = Mapping[tuple[str, str, int], PlacedJudgement]  # model, task_id, sample
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

    letters: of the first samples. samples: (passed, judged) of each problem, () where there is one
    sample a problem. categories: (passed, judged) of each.
    """

    passed: int
    judged: int
    not_run: int
    letters: str
    samples: list[tuple[int, int]]
    categories: list[tuple[int, int]]


@dataclass(slots=True)
class JudgedCounts:
    """How many answers were judged in which isolation, and how many of them passed or failed."""

    isolations: Counter[str] = field(default_factory=Counter)
    decided: int = 0

    @classmethod
    def of(cls, judged: Iterable[JudgedAnswer]) -> "JudgedCounts":
        """Return the counts of some answers."""
        counts = cls()
        for answer in judged:
            counts.isolations[answer.isolation] += 1
            counts.decided += answer.passed is not None
        return counts


def read_judgements(
    store: SolutionStore, outcomes: SessionOutcomes, wanted: Container[str] | None = None
) -> Judgements:
    """Return what was said last of each answer; empty where nothing was judged.

    wanted: the task ids to tell of; None tells of all.
    """
    found: dict[tuple[str, str, int], PlacedJudgement] = {}
    for model in outcomes.models:
        for path in chain.from_iterable(store.answer_files(model)):
            place = judgement_file(path)
            for offset, judged in placed_judgements(path):
                if wanted is not None and judged.task_id not in wanted:
                    continue
                key = (judged.model, judged.task_id, judged.sample)
                found[key] = PlacedJudgement(judged, place, offset)
    return found


def count_judged(
    store: SolutionStore, outcomes: SessionOutcomes, judgements: Judgements
) -> JudgedCounts:
    """Return the counts of the whole session, of which judgements may tell a part."""
    if not outcomes.is_partial:
        return JudgedCounts.of(placed.answer for placed in judgements.values())
    groups = {paths for model in outcomes.models for paths in store.answer_files(model)}
    return JudgedCounts.of(
        judged for paths in sorted(groups) for judged in last_judgements(paths).values()
    )


def evaluation_line(store: SolutionStore, counts: JudgedCounts) -> EvaluationLine:
    """Return which isolation was in force, or how to get an evaluation."""
    if not counts.isolations:
        place = clean_text(str(store.path))
        return EvaluationLine(
            "Not evaluated: no tests were run, so which answers are right is not known. Run them:",
            f"python scripts/evaluate_session.py {quote(place)}",
            is_unsafe=False,
        )
    ways = counts.isolations
    unsafe = ways[NO_ISOLATION]
    named = ", ".join(sorted({clean_text(way) for way in ways if way})) or "not known"
    text = f"Evaluated: {ways.total():,} answers judged by their problems' tests; "
    text += f"isolation: {named}." + _unscored(store, counts)
    if unsafe:
        text += f" UNSAFE: {unsafe:,} of them ran without a sandbox (--unsafe-no-sandbox)."
    return EvaluationLine(text, "", is_unsafe=unsafe > 0)


def _unscored(store: SolutionStore, counts: JudgedCounts) -> str:
    """Return a sentence on what ranks and intervals leave out, "" where they have it all."""
    scores = read_score_summary(store.path)
    if scores is None:
        return " The evaluation has not ended: ranks and intervals appear once it has."
    missing = counts.decided - sum(model.judged for model in scores.models.values())
    if missing <= 0:
        return ""
    return f" Ranks and intervals leave out {missing:,} of them, judged since the last one ended."


def judged_model(
    label: str,
    problems: Iterable[ProblemOutcomes],
    judgements: Judgements,
    categories: Iterable[str],
    samples: int,
) -> JudgedModel | None:
    """Return what became of a model's answers, None where nothing was judged at all."""
    if not judgements:
        return None
    counts: list[tuple[int, int]] = []
    by_category = dict.fromkeys(categories, (0, 0))
    letters = ""
    not_run = 0
    for problem in problems:
        own = _verdicts(label, problem, judgements)
        letters += _LETTERS.get(own[1].verdict, "q") if 1 in own else _NOT_JUDGED
        known = [judged.passed for judged in own.values()]
        not_run += known.count(None)
        counts.append((known.count(True), len(known) - known.count(None)))
        before = by_category[problem.category]
        by_category[problem.category] = (before[0] + counts[-1][0], before[1] + counts[-1][1])
    return JudgedModel(
        passed=sum(passed for passed, _ in counts),
        judged=sum(judged for _, judged in counts),
        not_run=not_run,
        letters=letters,
        samples=counts if samples > 1 else [],
        categories=list(by_category.values()),
    )


def _verdicts(
    label: str, problem: ProblemOutcomes, judgements: Judgements
) -> dict[int, JudgedAnswer]:
    """Return sample -> what was said of a model's answer to a problem."""
    samples = [outcome.sample for outcome in problem.by_model.get(label, ())]
    placed = {sample: judgements.get((label, problem.task_id, sample)) for sample in samples}
    return {sample: judged.answer for sample, judged in placed.items() if judged}
