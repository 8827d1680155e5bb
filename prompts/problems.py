"""Dataset rows in, problems out; every broken line is named before anything is sent."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import msgspec

from config.errors import ConfigError, DatasetError

SolutionKind = Literal["function", "class"]
_MAX_ERRORS_SHOWN = 50
_OTHERS = (
    "name another with --dataset-path or DATASET_PATH, "
    "or get one: python scripts/fetch_dataset.py codeeval"
)


class TestCase(msgspec.Struct, frozen=True):
    """One check of a solution: ctx is run first, then assertion must be true."""

    __test__ = False  # not a test class for pytest

    assertion: str
    ctx: str = ""
    inspection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem: its text speaks of `func` or `cls`, a solution must define `name`."""

    task_id: str
    name: str
    problem: str
    canonical_solution: str
    tests: tuple[TestCase, ...]
    category: str
    complexity: int | None
    object: SolutionKind | None

    @property
    def content_hash(self) -> str:
        """Sixteen hex digits that change with whatever a model is asked or judged by."""
        parts = (self.task_id, self.name, self.problem, self.category, self.object or "")
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Row(msgspec.Struct):
    task_id: str
    name: str
    problem: str
    canonical_solution: str = ""
    tests: str | list[TestCase] = msgspec.field(default_factory=list)
    category: str | None = None
    topic: str | None = None
    complexity: int | None = None
    object: SolutionKind | None = None


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
    try:
        if dataset.is_file():
            return [dataset]
        if not dataset.is_dir():
            raise DatasetError(f"{dataset}: no such folder of problems; {_OTHERS}")
        files = sorted(path for path in dataset.iterdir() if path.name.endswith(".jsonl"))
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
    for number, line in lines:
        place = f"{file.name}:{number}"
        try:
            problems.append((_parse(line, file.stem), place))
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
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _parse(line: bytes, file_stem: str) -> Problem:
    """Raise ValueError, with a reason for the user, where the line is no problem."""
    row = msgspec.json.decode(line, type=_Row)
    for field in ("task_id", "name", "problem"):
        if not getattr(row, field).strip():
            raise ValueError(f"{field} is empty")
    if not row.name.isidentifier():
        raise ValueError(f"name {row.name!r} is not a Python identifier")
    return Problem(
        task_id=row.task_id,
        name=row.name,
        problem=row.problem,
        canonical_solution=row.canonical_solution,
        tests=_parse_tests(row.tests),
        category=row.category or row.topic or file_stem,
        complexity=row.complexity,
        object=row.object,
    )


def _parse_tests(tests: str | list[TestCase]) -> tuple[TestCase, ...]:
    if isinstance(tests, list):
        return tuple(tests)
    if not tests.strip():
        return ()
    try:
        return tuple(msgspec.json.decode(tests, type=list[TestCase]))
    except msgspec.MsgspecError as error:
        raise ValueError(f"tests is not a JSON list of tests: {error}") from error


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
