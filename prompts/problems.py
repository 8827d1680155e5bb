"""Dataset rows in, problems out; every broken line is named before anything is sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import msgspec

from config.errors import ConfigError, DatasetError
from prompts.dataset_files import lines_of, problem_files, stem_of
from prompts.formats import codeeval
from prompts.formats.row_keys import UnknownKeys, keys_of
from prompts.formats.row_reader import reader_of
from prompts.problem import Problem as Problem
from prompts.problem import SolutionKind as SolutionKind
from prompts.problem import TestCase as TestCase

_MAX_ERRORS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Dataset:
    """The problems of a dataset, and what its user should know about its rows, a line each."""

    problems: list[Problem]
    notes: list[str]
    warnings: list[str]


def load_problems(dataset: Path, categories: Sequence[str] = ()) -> list[Problem]:
    """Return the problems of a dataset, as read_dataset does."""
    return read_dataset(dataset, categories).problems


def read_dataset(dataset: Path, categories: Sequence[str] = ()) -> Dataset:
    """Return the problems of a folder of .jsonl files (or of one file), sorted by category.

    categories: keep only these; empty keeps all. Inside a category the order is that of the
    files, by name, and of their lines.
    Raises DatasetError naming every broken line as `file.jsonl:LINE: reason`, or a missing or
    empty dataset; ConfigError for a category that the dataset does not have.
    """
    unknown = UnknownKeys(codeeval.KEYS)
    problems, errors = _read_files(problem_files(dataset), unknown)
    errors += _duplicate_errors(problems)
    if errors:
        raise DatasetError(_error_list(errors, dataset))
    if not problems:
        raise DatasetError(f"{dataset}: the .jsonl files hold no problems")
    loaded = sorted((problem for problem, _ in problems), key=lambda problem: problem.category)
    chosen = _of_categories(loaded, categories) if categories else loaded
    return Dataset(chosen, unknown.notes, unknown.warnings)


def iterate_problems(dataset: Path) -> Iterator[Problem]:
    """Yield the problems of a dataset in the order of its files, holding one file at a time.

    Raises DatasetError at the first file with a broken line.
    """
    for file in problem_files(dataset):
        problems, errors = _read_file(file, UnknownKeys(codeeval.KEYS))
        if errors:
            raise DatasetError(_error_list(errors, dataset))
        yield from (problem for problem, _ in problems)


def first_of_each_category(problems: Sequence[Problem]) -> list[Problem]:
    """Return one problem a category: what a quick test asks."""
    chosen: dict[str, Problem] = {}
    for problem in problems:
        chosen.setdefault(problem.category, problem)
    return list(chosen.values())


def _read_files(
    files: Sequence[Path], unknown: UnknownKeys
) -> tuple[list[tuple[Problem, str]], list[str]]:
    problems: list[tuple[Problem, str]] = []
    errors: list[str] = []
    for file in files:
        found, wrong = _read_file(file, unknown)
        problems += found
        errors += wrong
    return problems, errors


def _read_file(file: Path, unknown: UnknownKeys) -> tuple[list[tuple[Problem, str]], list[str]]:
    """Return a file's problems with their places, and its errors: one if it is no JSONL at all."""
    problems: list[tuple[Problem, str]] = []
    errors: list[str] = []
    objects = 0
    lines = list(lines_of(file))
    read_row = reader_of(lines[0][1] if lines else b"")
    for number, line in lines:
        place = f"{file.name}:{number}"
        keys = keys_of(line)
        objects += keys is not None
        if read_row is codeeval.read_row:
            unknown.note(keys or (), place)
        try:
            problems.append((read_row(line, stem_of(file)), place))
        except (ValueError, RecursionError) as error:
            errors.append(f"{place}: {codeeval.reason(error, keys or ())}")
    if len(lines) > 1 and errors and _is_one_document(lines):
        errors = [f"{file.name}: one JSON document, not a problem a line (jq -c '.[]' makes lines)"]
    elif len(lines) > 1 and not objects:
        errors = [f"{errors[0]}; no line of this file is a JSON object"]
    return problems, errors


def _is_one_document(lines: Sequence[tuple[int, bytes]]) -> bool:
    try:
        msgspec.json.decode(b"\n".join(line for _, line in lines))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def _duplicate_errors(problems: Sequence[tuple[Problem, str]]) -> list[str]:
    first_places: dict[str, str] = {}
    errors = []
    for problem, place in problems:
        first = first_places.setdefault(problem.task_id, place)
        if first != place:
            errors.append(f"{place}: duplicate task_id {problem.task_id!r}, first at {first}")
    return errors


def _error_list(errors: Sequence[str], dataset: Path) -> str:
    shown = errors[:_MAX_ERRORS_SHOWN]
    if len(errors) > len(shown):
        shown = [*shown, f"... and {len(errors) - len(shown)} more"]
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    return "\n".join(shown) + f" ({count} in {dataset})"


def _of_categories(problems: Sequence[Problem], categories: Sequence[str]) -> list[Problem]:
    known = sorted({problem.category for problem in problems})
    for category in categories:
        if category not in known:
            if "," in category:
                raise ConfigError(
                    f"unknown category {category!r}: put spaces, not commas, between names"
                )
            near = get_close_matches(category.lower(), known, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"unknown category {category!r}: {hint}")
    return [problem for problem in problems if problem.category in categories]
