"""cross_model_comparison.json: each problem with every model's verdict and time, side by side.

Of more problems than fit into a file the next ones are in cross_model_comparison.0002.json, and so
on: every file that is not the last says in `continued_in` where it goes on.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import msgspec

from storage.files.durability import replace_file, write_error
from storage.files.regular_file import is_regular, read_regular
from storage.records.record_json import solutions_in, solutions_in_files
from storage.records.solution_record import SolutionRecord
from storage.records.tallies import is_valid
from storage.session.manifest import decode_or_none
from storage.views.verdicts import is_evaluated, judged_answers

COMPARISON_NAME = "cross_model_comparison.json"
MOST_PROBLEMS = 20_000  # in one file, which programs read whole: some 50 MB
_SLICE_NAME = re.compile(r"\Across_model_comparison\.([0-9]{4,9})\.json\Z")


@dataclass(slots=True)
class _Row:
    """One problem: where its text stands (file and offset), and what came of it by model.

    first: (valid, seconds) of sample 1; an answer of a batch has no time of its own. samples:
    (valid, answered) of all. passed: sample 1's tests, where they were run.
    """

    path: Path
    offset: int
    first: dict[str, tuple[bool, float | None]] = field(default_factory=dict)
    samples: dict[str, tuple[int, int]] = field(default_factory=dict)
    passed: dict[str, bool | None] = field(default_factory=dict)

    def add(self, record: SolutionRecord) -> None:
        """Count one answer."""
        valid, answered = self.samples.get(record.model, (0, 0))
        self.samples[record.model] = valid + is_valid(record), answered + 1
        if record.sample == 1:
            seconds = None if record.batch else record.execution_time
            self.first[record.model] = is_valid(record), seconds


def write_comparison(
    folder: Path,
    session_id: str,
    models: Sequence[str],
    paths: Mapping[tuple[str, str], Sequence[Path]],
    total_problems: int,
    *,
    counts_samples: bool,
    most_problems: int = MOST_PROBLEMS,
) -> Path:
    """Write the comparison and return its path; only verdicts of one category are held at a time.

    models: the labels, in the order of the columns; null stands where a model has no answer.
    paths: (model, category) -> files of answers.
    counts_samples: write how many of a model's samples are answered and valid.
    most_problems: in one file; more are in further ones.
    """
    target = folder / COMPARISON_NAME
    summary = {
        "session_id": session_id,
        "models_evaluated": list(models),
        "categories_processed": sorted({category for _, category in paths}),
        "total_problems": total_problems,
    }
    entries = _Entries(_entries(models, paths, counts_samples, is_evaluated(folder)))
    count = 1
    replace_file(target, _chunks(summary, entries, most_problems, count), durable=False)
    while entries.has_more:
        count += 1
        chunks = _chunks(summary, entries, most_problems, count)
        replace_file(folder / _slice_name(count), chunks, durable=False)
    _drop_slices_beyond(folder, count)
    return target


class _Slice(msgspec.Struct):
    """What is read back of a file; the whole of it has to be JSON all the same."""

    continued_in: str | None = None


def has_comparison(folder: Path) -> bool:
    """Return whether all files of a session's comparison can be read."""
    name: str | None = COMPARISON_NAME
    count = 0
    while name is not None:
        count += 1
        if name != (COMPARISON_NAME if count == 1 else _slice_name(count)):
            return False
        path = folder / name
        found = decode_or_none(read_regular(path), _Slice) if is_regular(path) else None
        if found is None:
            return False
        name = found.continued_in
    return True


class _Entries:
    """Entries that know whether another one comes."""

    def __init__(self, entries: Iterator[dict[str, object]]) -> None:
        self._entries = entries
        self._next = next(entries, None)

    @property
    def has_more(self) -> bool:
        return self._next is not None

    def take(self, most: int) -> Iterator[dict[str, object]]:
        """Yield the next ones, so many at most."""
        for _ in range(most):
            if self._next is None:
                return
            yield self._next
            self._next = next(self._entries, None)


def _chunks(
    summary: Mapping[str, object], entries: _Entries, most: int, number: int
) -> Iterator[bytes]:
    yield b'{\n"summary": ' + msgspec.json.encode(summary) + b',\n"problems": ['
    separator = b"\n"
    for entry in entries.take(most):
        yield separator + msgspec.json.encode(entry)
        separator = b",\n"
    yield b"\n]"
    if entries.has_more:
        yield b',\n"continued_in": ' + msgspec.json.encode(_slice_name(number + 1))
    yield b"\n}\n"


def _slice_name(number: int) -> str:
    return f"cross_model_comparison.{number:04}.json"


def _drop_slices_beyond(folder: Path, count: int) -> None:
    """Take away what an earlier, longer comparison went on in."""
    for path in folder.glob("cross_model_comparison.*.json"):
        found = _SLICE_NAME.fullmatch(path.name)
        if found and int(found[1]) > count and is_regular(path):
            try:
                path.unlink()
            except OSError as error:
                raise write_error(path, error) from error


def _entries(
    models: Sequence[str],
    paths: Mapping[tuple[str, str], Sequence[Path]],
    counts_samples: bool,
    shows_passed: bool,
) -> Iterator[dict[str, object]]:
    for category in sorted({category for _, category in paths}):
        files = {model: own for (model, name), own in paths.items() if name == category}
        for task_id, row in _rows(category, files).items():
            entry: dict[str, object] = {
                "task_id": task_id,
                "problem": _problem_text(row),
                "category": category,
            }
            for model in models:
                valid, seconds = row.first.get(model, (None, None))
                entry |= {f"{model}_valid": valid, f"{model}_time": seconds}
                if shows_passed:
                    entry[f"{model}_passed"] = row.passed.get(model)
                if counts_samples:
                    valid_samples, answered = row.samples.get(model, (0, 0))
                    entry[f"{model}_samples"] = {"valid": valid_samples, "answered": answered}
            yield entry


def _rows(category: str, files: Mapping[str, Sequence[Path]]) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for model, paths in files.items():
        for path, line, record in solutions_in_files(paths):
            if (record.model, record.category) == (model, category):
                rows.setdefault(record.task_id, _Row(path, line.offset)).add(record)
        for judged in chain.from_iterable(map(judged_answers, paths)):
            if judged.sample == 1 and judged.task_id in rows:
                rows[judged.task_id].passed[judged.model] = judged.passed
    return rows


def _problem_text(row: _Row) -> str:
    for _, record in solutions_in(row.path, row.offset):
        return record.problem
    return ""
