"""One reading of a session: what came of every task, and where its record stands; no texts."""

import re
from array import array
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from pathlib import Path
from sys import intern
from typing import Self

from processors.workers.chunks import map_items, whole
from processors.workers.engine import HERE, Engine
from reports.outcome_work import (
    Seen,
    SeenAnswer,
    Verdict,
    Wanted,
    look_through,
    order,
    seen_in,
)
from storage.files.jsonl_file import read_lines, read_stretches
from storage.files.line_reader import LineReader
from storage.records.record_json import decode_failure, decode_solution
from storage.records.session_scan import FAILURES_NAME
from storage.records.solution_record import (
    AttemptRecord,
    FailureRecord,
    FinishReason,
    SolutionRecord,
    TaskKey,
)
from storage.solution_store import SolutionStore

_STRETCH_BYTES = 2**19


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one task; path and offset (bytes) say where its line stands.

    seconds: of the last attempt; None for a failure, or an answer of a batch.
    finished: seconds since 1970.
    code_hash: changes with the extracted code; 0 for a failure, and where it was not wanted.
    """

    verdict: Verdict
    seconds: float | None
    finished: float
    finish_reason: FinishReason | None
    attempts: int
    code_hash: int
    path: Path
    offset: int
    sample: int


@dataclass(slots=True)
class ProblemOutcomes:
    """One problem and what every model made of it; undone tasks are not in it.

    by_model: label -> outcomes, by sample.
    """

    task_id: str
    category: str
    complexity: int | None = None
    name: str = ""
    title: str = ""
    by_model: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)

    @property
    def outcomes(self) -> Iterator[Outcome]:
        """Every model's outcomes, model by model."""
        return chain.from_iterable(self.by_model.values())

    def first(self, model: str) -> Outcome | None:
        """Return what came of a model's first sample, None where it is undone."""
        outcomes = self.by_model.get(model)
        return outcomes[0] if outcomes and outcomes[0].sample == 1 else None

    def verdict(self, model: str) -> Verdict:
        """Return the verdict on a model's first sample, "undone" where there is none."""
        outcome = self.first(model)
        return outcome.verdict if outcome else "undone"

    def valid_samples(self, model: str) -> tuple[int, int]:
        """Return how many of a model's samples are valid, and how many were attempted."""
        outcomes = self.by_model.get(model, ())
        return sum(outcome.verdict == "valid" for outcome in outcomes), len(outcomes)


@dataclass(frozen=True, slots=True)
class SessionOutcomes:
    """A session's problems, by category and task id, and every attempt that is known to fail.

    is_partial: only some problems were wanted; the others are in `seconds` alone.
    failed_attempts: (started in seconds since 1970, kind of error).
    seconds: model -> the times of all its answers that have one of their own.
    """

    models: list[str]
    problems: list[ProblemOutcomes]
    failed_attempts: list[tuple[float, str]]
    seconds: dict[str, "array[float]"]
    is_partial: bool


def read_outcomes(
    store: SolutionStore,
    wanted: Collection[str] | None = None,
    *,
    with_code: bool = False,
    engine: Engine = HERE,
) -> SessionOutcomes:
    """Return what came of every task, reading each file once and holding no texts.

    wanted: the task ids to tell of; None tells of all. with_code: with code_hash, which costs.
    engine: what looks through the answers. Raises StoreError where a file cannot be read.
    """
    problems: dict[str, ProblemOutcomes] = {}
    models = list(store.metadata.models) if store.metadata else []
    models += sorted({model for model, _ in store.tallies} - set(models))
    seconds = {model: array("d") for model in models}
    reading = _Reading(problems, seconds)
    task_ids = None if wanted is None else list(wanted)

    def order_of(stretch: _Stretch) -> bytes:
        return order(Wanted(stretch.model, task_ids, with_code), stretch.content)

    stretches = _stretches(store, models)
    results = map_items(engine.executor, look_through, stretches, order_of, engine.window)
    for stretch, result in results:
        reading.add(stretch, seen_in(whole(result)))
    failed_attempts = _add_failures(store.path / FAILURES_NAME, problems, wanted)
    for problem in problems.values():
        for model, outcomes in problem.by_model.items():
            if len(outcomes) > 1:
                problem.by_model[model] = tuple(sorted(outcomes, key=attrgetter("sample")))
    rows = _in_order(problems.values())
    return SessionOutcomes(models, rows, failed_attempts, seconds, is_partial=wanted is not None)


class OutcomeReader:
    """`with OutcomeReader() as reader:` the records of outcomes, one at a time."""

    def __init__(self) -> None:
        self._lines = LineReader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.__exit__()

    def record(self, outcome: Outcome) -> SolutionRecord | FailureRecord | None:
        """Return the record of an outcome, None where its file changed since it was read."""
        content = self.line(outcome)
        if outcome.verdict == "failed":
            return decode_failure(content)
        return decode_solution(content)

    def line(self, outcome: Outcome) -> bytes:
        """Return the line of its record, for who passes it on; b"" where there is none."""
        line = self._lines.line_at(outcome.path, outcome.offset)
        return line.content if line else b""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Whole lines of one of the files of a category (files) of a model."""

    model: str
    files: tuple[Path, ...]
    path: Path
    start: int
    content: bytes


def _stretches(store: SolutionStore, models: Iterable[str]) -> Iterator[_Stretch]:
    for model in models:
        for files in store.answer_files(model):
            for path in files:
                for start, content in read_stretches(path, 0, _STRETCH_BYTES):
                    yield _Stretch(model, files, path, start, content)


@dataclass(slots=True)
class _Reading:
    """What was seen so far; category, known: the one being read, and the tasks seen in it."""

    problems: dict[str, ProblemOutcomes]
    seconds: dict[str, "array[float]"]
    category: tuple[str, tuple[Path, ...]] = ("", ())
    known: set[TaskKey] = field(default_factory=set)

    def add(self, stretch: _Stretch, seen: Seen) -> None:
        """Take what a stretch holds; of doubled answers the first counts."""
        if self.category != (stretch.model, stretch.files):
            self.category, self.known = (stretch.model, stretch.files), set()
        seconds = self.seconds[stretch.model]
        seconds.extend(seen.seconds)
        for answer in seen.answers:
            key = (answer.task_id, answer.sample)
            if key not in self.known:
                self.known.add(key)
                if answer.seconds is not None:
                    seconds.append(answer.seconds)
                self._add_answer(answer, stretch)

    def _add_answer(self, answer: SeenAnswer, stretch: _Stretch) -> None:
        # Every answer has strings of its own: of those that are alike one is kept.
        model, category = intern(stretch.model), intern(answer.category)
        problem = self.problems.setdefault(
            answer.task_id, ProblemOutcomes(answer.task_id, category)
        )
        if not problem.title:
            problem.complexity, problem.name = answer.complexity, answer.name
            problem.title = answer.title
        outcome = Outcome(
            answer.verdict,
            answer.seconds,
            answer.finished,
            answer.finish_reason,
            answer.attempts,
            answer.code_hash,
            stretch.path,
            stretch.start + answer.offset,
            answer.sample,
        )
        problem.by_model[model] = (*problem.by_model.get(model, ()), outcome)


def _add_failures(
    path: Path, problems: dict[str, ProblemOutcomes], wanted: Container[str] | None
) -> list[tuple[float, str]]:
    attempts: list[tuple[float, str]] = []
    for offset, failure in _failures(path):
        if wanted is not None and failure.task_id not in wanted:
            continue
        attempts += [(a.started, _kind(a, failure)) for a in failure.attempts]
        problem = problems.setdefault(
            failure.task_id, ProblemOutcomes(failure.task_id, failure.category)
        )
        outcomes = problem.by_model.get(failure.model, ())
        earlier = next((o for o in outcomes if o.sample == failure.sample), None)
        if earlier is None or earlier.verdict == "failed":
            others = (outcome for outcome in outcomes if outcome is not earlier)
            problem.by_model[failure.model] = (*others, _failed(failure, path, offset))
    return attempts


def _failed(failure: FailureRecord, path: Path, offset: int) -> Outcome:
    tries = len(failure.attempts)
    at = failure.timestamp
    return Outcome("failed", None, at, None, tries, 0, path, offset, failure.sample)


def _failures(path: Path) -> Iterator[tuple[int, FailureRecord]]:
    for line in read_lines(path):
        failure = decode_failure(line.content) if line.content else None
        if failure is not None:
            yield line.offset, failure


def _kind(attempt: AttemptRecord, failure: FailureRecord) -> str:
    kind = attempt.error or failure.error
    return f"{kind} ({attempt.status})" if attempt.status else kind


def _in_order(problems: Iterable[ProblemOutcomes]) -> list[ProblemOutcomes]:
    """Return them by category, and by task id; a category at a time, since keys are large."""
    by_category: dict[str, list[ProblemOutcomes]] = {}
    for problem in problems:
        by_category.setdefault(problem.category, []).append(problem)
    return [
        problem
        for category in sorted(by_category)
        for problem in sorted(by_category[category], key=_place)
    ]


def _place(problem: ProblemOutcomes) -> list[tuple[int, str]]:
    """Return what sorts by task id with its numbers as numbers."""
    parts = re.split(r"([0-9]{1,18})", problem.task_id)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
