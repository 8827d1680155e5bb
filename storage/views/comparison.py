"""cross_model_comparison.json: each problem with every model's verdict and time, side by side."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from storage.files.durability import replace_file
from storage.records.record_json import solutions_in
from storage.records.tallies import is_valid

COMPARISON_NAME = "cross_model_comparison.json"


@dataclass(slots=True)
class _Row:
    """One problem: where its text stands (file and offset), and model -> (valid, seconds)."""

    path: Path
    offset: int
    verdicts: dict[str, tuple[bool, float]] = field(default_factory=dict)


def write_comparison(
    folder: Path,
    session_id: str,
    models: Sequence[str],
    paths: Mapping[tuple[str, str], Path],
    total_problems: int,
) -> Path:
    """Write the comparison and return its path; only verdicts of one category are held at a time.

    models: the labels, in the order of the columns; null stands where a model has no answer.
    paths: (model, category) -> file of answers.
    """
    target = folder / COMPARISON_NAME
    summary = {
        "session_id": session_id,
        "models_evaluated": list(models),
        "categories_processed": sorted({category for _, category in paths}),
        "total_problems": total_problems,
    }
    replace_file(target, _chunks(summary, models, paths), durable=False)
    return target


def _chunks(
    summary: Mapping[str, object],
    models: Sequence[str],
    paths: Mapping[tuple[str, str], Path],
) -> Iterator[bytes]:
    yield b'{\n"summary": ' + msgspec.json.encode(summary) + b',\n"problems": ['
    separator = b"\n"
    for entry in _entries(models, paths):
        yield separator + msgspec.json.encode(entry)
        separator = b",\n"
    yield b"\n]\n}\n"


def _entries(
    models: Sequence[str], paths: Mapping[tuple[str, str], Path]
) -> Iterator[dict[str, object]]:
    for category in sorted({category for _, category in paths}):
        files = {path: None for (_, name), path in paths.items() if name == category}
        for task_id, row in _rows(category, files).items():
            entry: dict[str, object] = {
                "task_id": task_id,
                "problem": _problem_text(row),
                "category": category,
            }
            for model in models:
                valid, seconds = row.verdicts.get(model, (None, None))
                entry |= {f"{model}_valid": valid, f"{model}_time": seconds}
            yield entry


def _rows(category: str, files: Iterable[Path]) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for path in files:
        for line, record in solutions_in(path):
            if record.category == category:
                row = rows.setdefault(record.task_id, _Row(path, line.offset))
                verdict = (is_valid(record), record.execution_time)
                row.verdicts.setdefault(record.model, verdict)
    return rows


def _problem_text(row: _Row) -> str:
    for _, record in solutions_in(row.path, row.offset):
        return record.problem
    return ""
