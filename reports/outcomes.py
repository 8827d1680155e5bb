"""One reading of a session: what came of every task, and where its record stands; no texts."""

import hashlib
import re
from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from pathlib import Path
from sys import intern
from typing import Literal

from storage.files.jsonl_file import Line, read_lines, read_lines_of
from storage.records.glance import Glance, glance
from storage.records.record_json import (
    decode_failure,
    decode_solution,
    solutions_in,
    solutions_in_files,
)
from storage.records.session_scan import FAILURES_NAME
from storage.records.solution_record import (
    AttemptRecord,
    FailureRecord,
    FinishReason,
    SolutionRecord,
)
from storage.records.tallies import is_unread, is_valid
from storage.solution_store import SolutionStore

Verdict = Literal[
    "valid",
    "incomplete",
    "syntax",
    "empty",
    "unread",
    "truncated",
    "refused",
    "failed",
    "undone",
]
_TITLE_CHARACTERS = 200


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
    store: SolutionStore, wanted: Container[str] | None = None, *, with_code: bool = False
) -> SessionOutcomes:
    """Return what came of every task, reading each file once and holding no texts.

    wanted: the task ids to tell of; None tells of all. with_code: with code_hash, which costs.
    Raises StoreError where a file cannot be read.
    """
    problems: dict[str, ProblemOutcomes] = {}
    models = list(store.metadata.models) if store.metadata else []
    models += sorted({model for model, _ in store.tallies} - set(models))
    seconds = {model: array("d") for model in models}
    for model in models:
        for paths in store.answer_files(model):
            for path, line, answer in _answers(paths, wanted):
                if answer.model != model:
                    continue
                if answer.latency is not None:
                    seconds[model].append(answer.latency)
                if isinstance(answer, SolutionRecord):
                    _add_answer(answer, path, line.offset, problems, with_code=with_code)
    failed_attempts = _add_failures(store.path / FAILURES_NAME, problems, wanted)
    for problem in problems.values():
        for model, outcomes in problem.by_model.items():
            if len(outcomes) > 1:
                problem.by_model[model] = tuple(sorted(outcomes, key=attrgetter("sample")))
    rows = _in_order(problems.values())
    return SessionOutcomes(models, rows, failed_attempts, seconds, is_partial=wanted is not None)


def read_record(outcome: Outcome) -> SolutionRecord | FailureRecord | None:
    """Return the record of an outcome, None where its file changed since it was read."""
    if outcome.verdict == "failed":
        line = next(read_lines(outcome.path, outcome.offset), None)
        return decode_failure(line.content) if line else None
    found = next(solutions_in(outcome.path, outcome.offset), None)
    return found[1] if found else None


def read_line(outcome: Outcome) -> bytes:
    """Return the line of an outcome's record, for who passes it on; b"" where there is none."""
    line = next(read_lines(outcome.path, outcome.offset), None)
    return line.content if line else b""


def verdict_of(record: SolutionRecord) -> Verdict:
    """Return the one word for an answer: valid, or the first reason why it is not."""
    if is_valid(record):
        return "valid"
    if is_unread(record):
        return "unread"
    if record.finish_reason in ("refusal", "filtered"):
        return "refused"
    if record.finish_reason == "length":
        return "truncated"
    if not record.extracted_solution:
        return "empty"
    syntax = record.validation.get("syntax")
    parses = isinstance(syntax, Mapping) and syntax.get("is_valid") is True
    return "incomplete" if parses else "syntax"


def _answers(
    paths: Sequence[Path], wanted: Container[str] | None
) -> Iterator[tuple[Path, Line, SolutionRecord | Glance]]:
    """Yield a category's answers with their lines; what is not wanted is looked at, not decoded."""
    if wanted is None:
        yield from solutions_in_files(paths)
        return
    for path, line in read_lines_of(paths):
        seen = glance(line.content)
        is_known = seen is not None and seen.task_id not in wanted
        answer = seen if is_known else decode_solution(line.content)
        if answer is not None and answer.llm_call_success:
            yield path, line, answer


def _add_answer(
    record: SolutionRecord,
    path: Path,
    offset: int,
    problems: dict[str, ProblemOutcomes],
    *,
    with_code: bool,
) -> None:
    # Every record has strings of its own: of those that are alike one is kept.
    model, category = intern(record.model), intern(record.category)
    problem = problems.setdefault(record.task_id, ProblemOutcomes(record.task_id, category))
    if not problem.title:
        problem.complexity, problem.name = record.complexity, record.name
        problem.title = _first_line(record.problem)
    outcome = Outcome(
        verdict_of(record),
        record.latency,
        record.timestamp,
        record.finish_reason,
        record.attempts,
        _hash(record.extracted_solution) if with_code else 0,
        path,
        offset,
        record.sample,
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


def _hash(code: str) -> int:
    digest = hashlib.blake2b(code.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _TITLE_CHARACTERS else f"{line[:_TITLE_CHARACTERS]}…"
