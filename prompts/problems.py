"""Dataset rows in, problems out; every broken line is named before anything is sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import msgspec

from config.errors import ConfigError, DatasetError
from prompts.dataset_files import DatasetLine, is_packed, lines_of, problem_files, stem_of
from prompts.formats import codeeval
from prompts.formats.row_keys import UnknownKeys, keys_of
from prompts.formats.row_reader import reader_of
from prompts.placed_problems import (
    AskedProblem,
    PlacedProblems,
    ProblemFile,
    ProblemPlaces,
)
from prompts.problem import Problem as Problem
from prompts.problem import SolutionKind as SolutionKind
from prompts.problem import TestCase as TestCase

MOST_HELD = 20_000  # problems that are held whole: some 50 MB
_MAX_ERRORS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Dataset:
    """The problems of a dataset, and what its user should know about its rows, a line each."""

    problems: Sequence[AskedProblem]
    notes: list[str]
    warnings: list[str]


def load_problems(dataset: Path, categories: Sequence[str] = ()) -> list[Problem]:
    """Return the problems of a dataset, whole, as read_dataset does."""
    read = read_dataset(dataset, categories, most_held=None)
    return [problem.read() for problem in read.problems]


def read_dataset(
    dataset: Path, categories: Sequence[str] = (), *, most_held: int | None = MOST_HELD
) -> Dataset:
    """Return the problems of a folder of .jsonl files (or of one file), sorted by category.

    categories: keep only these; empty keeps all. Inside a category the order is that of the
    files, by name, and of their lines. most_held: of more problems only the places are held, None
    holds any number whole.
    Raises DatasetError naming every broken line as `file.jsonl:LINE: reason`, or a missing or
    empty dataset; ConfigError for a category that the dataset does not have.
    """
    unknown = UnknownKeys(codeeval.KEYS)
    rows = _Rows(most_held)
    errors = [wrong for file in problem_files(dataset) for wrong in _read_file(file, unknown, rows)]
    errors += _duplicate_errors(rows.places)
    if errors:
        raise DatasetError(_error_list(errors, dataset))
    if not rows.places.task_ids:
        raise DatasetError(f"{dataset}: the .jsonl files hold no problems")
    in_order = sorted(range(len(rows.places.task_ids)), key=rows.places.categories.__getitem__)
    chosen = _of_categories(in_order, rows.places.categories, categories)
    return Dataset(rows.problems(chosen), unknown.notes, unknown.warnings)


def iterate_problems(dataset: Path) -> Iterator[Problem]:
    """Yield the problems of a dataset in the order of its files, holding one file at a time.

    Raises DatasetError at the first file with a broken line.
    """
    for file in problem_files(dataset):
        rows = _Rows(most_held=None)
        if errors := _read_file(file, UnknownKeys(codeeval.KEYS), rows):
            raise DatasetError(_error_list(errors, dataset))
        yield from rows.held or ()


def first_of_each_category(problems: Sequence[AskedProblem]) -> list[AskedProblem]:
    """Return one problem a category: what a quick test asks."""
    chosen: dict[str, AskedProblem] = {}
    for problem in problems:
        chosen.setdefault(problem.category, problem)
    return list(chosen.values())


class _Rows:
    """The rows that were read; held: the problems themselves, None once they are too many."""

    def __init__(self, most_held: int | None) -> None:
        self.places = ProblemPlaces()
        self.held: list[Problem] | None = []
        self._most_held = most_held

    def add(self, problem: Problem, line: DatasetLine) -> None:
        """Take a row of the file that was begun last."""
        self.places.add(problem, line.number, line.offset, len(line.content))
        if self.held is None:
            self.places.hashes.append(problem.content_hash)
            return
        self.held.append(problem)
        if self._most_held is not None and len(self.held) > self._most_held:
            self.places.hashes += [each.content_hash for each in self.held]
            self.held = None

    def problems(self, numbers: Sequence[int]) -> Sequence[AskedProblem]:
        """Return some of the problems, by their numbers."""
        if self.held is None:
            return PlacedProblems(self.places, numbers)
        return [self.held[number] for number in numbers]


def _read_file(file: Path, unknown: UnknownKeys, rows: _Rows) -> list[str]:
    """Return a file's errors, once its problems are among the rows: one if it is no JSONL."""
    errors: list[str] = []
    lines = objects = 0
    for line in lines_of(file):
        lines += 1
        if lines == 1:
            read_row = reader_of(line.content)
            rows.places.files.append(ProblemFile(file, stem_of(file), read_row, is_packed(file)))
        place = f"{file.name}:{line.number}"
        keys = keys_of(line.content)
        objects += keys is not None
        if read_row is codeeval.read_row:
            unknown.note(keys or (), place)
        try:
            rows.add(read_row(line.content, stem_of(file)), line)
        except (ValueError, RecursionError) as error:
            errors.append(f"{place}: {codeeval.reason(error, keys or ())}")
    if lines > 1 and errors and _is_one_document(file):
        return [f"{file.name}: one JSON document, not a problem a line (jq -c '.[]' makes lines)"]
    if lines > 1 and not objects:
        return [f"{errors[0]}; no line of this file is a JSON object"]
    return errors


def _is_one_document(file: Path) -> bool:
    try:
        msgspec.json.decode(b"\n".join(line.content for line in lines_of(file)))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def _duplicate_errors(places: ProblemPlaces) -> list[str]:
    if len(set(places.task_ids)) == len(places.task_ids):
        return []
    first_numbers: dict[str, int] = {}
    errors = []
    for number, task_id in enumerate(places.task_ids):
        first = first_numbers.setdefault(task_id, number)
        if first != number:
            place = places.place(number)
            errors.append(f"{place}: duplicate task_id {task_id!r}, first at {places.place(first)}")
    return errors


def _error_list(errors: Sequence[str], dataset: Path) -> str:
    shown = errors[:_MAX_ERRORS_SHOWN]
    if len(errors) > len(shown):
        shown = [*shown, f"... and {len(errors) - len(shown)} more"]
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    return "\n".join(shown) + f" ({count} in {dataset})"


def _of_categories(
    numbers: Sequence[int], category_of: Sequence[str], wanted: Sequence[str]
) -> Sequence[int]:
    """Return the numbers of the problems of these categories, all where none is named."""
    if not wanted:
        return numbers
    known = sorted(set(category_of))
    for category in wanted:
        if category not in known:
            if "," in category:
                raise ConfigError(
                    f"unknown category {category!r}: put spaces, not commas, between names"
                )
            near = get_close_matches(category.lower(), known, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"unknown category {category!r}: {hint}")
    return [number for number in numbers if category_of[number] in wanted]
