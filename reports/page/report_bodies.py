"""The texts of report.html: one packed block a problem, unpacked by the page when it is opened."""

import base64
import gzip
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from config.prompt_text import PromptText
from prompts.problems import Problem, SolutionKind
from prompts.prompt_template import build_prompt, prompt_version
from reports.outcomes import Outcome, OutcomeReader, ProblemOutcomes
from reports.page.judged import Judgements, PlacedJudgement
from reports.page.judged_detail import JudgedDetail, read_detail
from reports.page.verdict_letters import LETTERS
from storage.records.solution_record import FailureRecord, SolutionRecord
from storage.views.verdicts import JudgedAnswer

_MOST_CHARACTERS = 200_000  # of one text: a reply that repeats itself may have millions
_GZIP_LEVEL = 4  # a third of the time of level 9, for a tenth more bytes


class Reference(NamedTuple):
    """What the dataset has of a problem; text: "" where an answer's record has it too."""

    text: str
    solution: str


class Prompt(msgspec.Struct):
    """What the models were sent, for people; exact where version is this program's."""

    system: str
    user: str
    version: str
    exact: bool


class Answer(msgspec.Struct):
    """One model's answer, or its failure.

    letter: its verdict, as in the overview. file: where the whole record stands. judged: what its
    tests came to, None where they were not run.
    """

    model: str
    sample: int
    letter: str
    file: str
    record: SolutionRecord | FailureRecord
    judged: JudgedDetail | JudgedAnswer | None


class Body(msgspec.Struct):
    """All texts of one problem; reference: the dataset's own solution, where it is known."""

    problem: str
    prompt: Prompt | None
    reference: str | None
    answers: list[Answer]


def packed_bodies(
    problems: Sequence[ProblemOutcomes],
    references: Mapping[str, Reference],
    judgements: Judgements,
    text: PromptText | None,
    most_bytes: int,
) -> Iterator[tuple[int, str]]:
    """Yield (the problem's place, its texts as base64 of gzip of JSON) while they fit.

    text: the words around every problem, None for the default's.
    Where not all fit, problems that some model did not solve come first.
    """
    left = most_bytes
    with OutcomeReader() as reader:
        for place in _most_wanted_first(problems, judgements):
            problem = problems[place]
            body = _body(problem, references.get(problem.task_id), judgements, text, reader)
            block = base64.b64encode(gzip.compress(msgspec.json.encode(body), _GZIP_LEVEL, mtime=0))
            left -= len(block)
            if left < 0:
                return
            yield place, block.decode("ascii")


def _most_wanted_first(problems: Sequence[ProblemOutcomes], judgements: Judgements) -> list[int]:
    def is_solved(place: int) -> bool:
        problem = problems[place]
        return all(
            _is_right(outcome, judgements.get((model, problem.task_id, outcome.sample)))
            for model, outcomes in problem.by_model.items()
            for outcome in outcomes
        )

    return sorted(range(len(problems)), key=is_solved)


def _is_right(outcome: Outcome, judged: PlacedJudgement | None) -> bool:
    """Return whether an answer passed or, where it was not judged, whether it is valid."""
    return judged.answer.passed is True if judged else outcome.verdict == "valid"


def _body(
    problem: ProblemOutcomes,
    reference: Reference | None,
    judgements: Judgements,
    text: PromptText | None,
    reader: OutcomeReader,
) -> Body:
    answers: list[Answer] = []
    words, prompt = (reference.text, None) if reference else ("", None)
    for outcome in problem.outcomes:
        record = reader.record(outcome)
        if record is None:
            continue
        if isinstance(record, SolutionRecord) and prompt is None:
            words, prompt = record.problem, _prompt(record, text)
        if isinstance(record, FailureRecord):
            words = words or record.problem or ""
        file = f"{outcome.path.parent.name}/{outcome.path.name}"
        letter = LETTERS[outcome.verdict]
        shown = _without_repetition(record)
        judged = read_detail(judgements.get((record.model, record.task_id, record.sample)))
        answers.append(Answer(record.model, record.sample, letter, file, shown, judged))
    return Body(words, prompt, reference.solution if reference else None, answers)


def _prompt(record: SolutionRecord, text: PromptText | None) -> Prompt:
    built = build_prompt(
        Problem(
            task_id=record.task_id,
            name=record.name,
            problem=record.problem,
            canonical_solution="",
            tests=(),
            category=record.category,
            complexity=record.complexity,
            object=_kind(record.object),
        ),
        text,
    )
    is_exact = record.prompt_version == prompt_version(text)
    return Prompt(built.system, built.user, record.prompt_version, is_exact)


def _kind(text: str | None) -> SolutionKind | None:
    return "class" if text == "class" else "function" if text == "function" else None


def _without_repetition(record: SolutionRecord | FailureRecord) -> SolutionRecord | FailureRecord:
    """Return the record without the problem's text, which stands once, and no text over-long."""
    if isinstance(record, FailureRecord):
        return msgspec.structs.replace(record, problem=None)
    return msgspec.structs.replace(
        record,
        problem="",
        raw_response=_shortened(record.raw_response),
        extracted_solution=_shortened(record.extracted_solution),
        reasoning_text=record.reasoning_text and _shortened(record.reasoning_text),
    )


def _shortened(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    left_out = len(text) - _MOST_CHARACTERS
    return f"{text[:_MOST_CHARACTERS]}\n[... {left_out} more characters in the .jsonl file]"
