"""Dataset rows in, problems out; every broken line is named before anything is sent."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from config.errors import ConfigError, DatasetError
from prompts.formats.row_reader import reader_of
from prompts.problem import Problem as Problem
from prompts.problem import SolutionKind as SolutionKind
from prompts.problem import TestCase as TestCase

_ENDINGS = (".jsonl", ".jsonl.gz")
_MOST_BYTES = 1_000_000_000  # of an unpacked file
_MAX_ERRORS_SHOWN = 50
_OTHERS = (
    "name another with --dataset-path or DATASET_PATH, "
    "or get one: python scripts/fetch_dataset.py codeeval"
)


def load_problems(dataset: Path, categories: Sequence[str] = ()) -> list[Problem]:
    """Return the problems of a folder of .jsonl files (or of one file), sorted by category.

    categories: keep only these; empty keeps all. Inside a category the order is that of the
    files, by name, and of their lines.
    Raises DatasetError naming every broken line as `file.jsonl:LINE: reason`, or a missing or
    empty dataset; ConfigError for a category that the dataset does not have.
    """
    problems, errors = _read_files(_problem_files(dataset))
    errors += _duplicate_errors(problems)
    if errors:
        raise DatasetError(_error_list(errors, dataset))
    if not problems:
        raise DatasetError(f"{dataset}: the .jsonl files hold no problems")
    loaded = sorted((problem for problem, _ in problems), key=lambda problem: problem.category)
    return _of_categories(loaded, categories) if categories else loaded


def first_of_each_category(problems: Sequence[Problem]) -> list[Problem]:
    """Return one problem a category: what a quick test asks."""
    chosen: dict[str, Problem] = {}
    for problem in problems:
        chosen.setdefault(problem.category, problem)
    return list(chosen.values())


def _problem_files(dataset: Path) -> list[Path]:
    if dataset.is_file():
        return [dataset]
    if not dataset.is_dir():
        raise DatasetError(f"{dataset}: no such folder of problems; {_OTHERS}")
    try:
        files = sorted(path for path in dataset.iterdir() if path.name.endswith(_ENDINGS))
    except OSError as error:
        raise DatasetError(f"{dataset}: cannot be read: {error.strerror}") from error
    if not files:
        below = sorted(path.parent for path in dataset.glob("*/*.jsonl"))
        hint = f"did you mean {below[0]}?" if below else _OTHERS
        raise DatasetError(f"{dataset}: no .jsonl files in this folder; {hint}")
    return files


def _read_files(files: Sequence[Path]) -> tuple[list[tuple[Problem, str]], list[str]]:
    problems: list[tuple[Problem, str]] = []
    errors: list[str] = []
    for file in files:
        found, wrong = _read_file(file)
        problems += found
        errors += wrong
    return problems, errors


def _read_file(file: Path) -> tuple[list[tuple[Problem, str]], list[str]]:
    """Return a file's problems with their places, and its errors: one if it is no JSONL at all."""
    problems: list[tuple[Problem, str]] = []
    errors: list[str] = []
    lines = list(_lines(file))
    stem = file.name.removesuffix(".gz").removesuffix(".jsonl")
    read_row = reader_of(lines[0][1]) if lines else reader_of(b"")
    for number, line in lines:
        place = f"{file.name}:{number}"
        try:
            problems.append((read_row(line, stem), place))
        except (ValueError, RecursionError) as error:
            errors.append(f"{place}: {_reason(error)}")
    if len(lines) > 1 and not any(line.lstrip(b" \t").startswith(b"{") for _, line in lines):
        errors = [f"{errors[0]}; no line of this file is a JSON object"]
    return problems, errors


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    return str(error).replace("JSON is malformed: ", "not JSON: ")


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    content = _content(file)
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _content(file: Path) -> bytes:
    opener = gzip.open if file.name.endswith(".gz") else open
    try:
        with opener(file, "rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{file}: not a gzip file that can be read: {error}") from error
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise DatasetError(f"{file}: holds more than {_MOST_BYTES:,} bytes")
    return content


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
