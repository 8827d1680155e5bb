"""cross_model_comparison.json: each problem with every model's verdict and time, side by side."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from storage.files.durability import replace_file
from storage.records.record_json import solutions_in
from storage.records.solution_record import SolutionRecord
from storage.records.tallies import is_valid
from storage.views.verdicts import is_evaluated, judged_answers

COMPARISON_NAME = "cross_model_comparison.json"


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
    paths: Mapping[tuple[str, str], Path],
    total_problems: int,
    *,
    counts_samples: bool,
) -> Path:
    """Write the comparison and return its path; only verdicts of one category are held at a time.

    models: the labels, in the order of the columns; null stands where a model has no answer.
    paths: (model, category) -> file of answers.
    counts_samples: write how many of a model's samples are answered and valid.
    """
    target = folder / COMPARISON_NAME
    summary = {
        "session_id": session_id,
        "models_evaluated": list(models),
        "categories_processed": sorted({category for _, category in paths}),
        "total_problems": total_problems,
    }
    entries = _entries(models, paths, counts_samples, is_evaluated(folder))
    replace_file(target, _chunks(summary, entries), durable=False)
    return target


def _chunks(summary: Mapping[str, object], entries: Iterable[dict[str, object]]) -> Iterator[bytes]:
    yield b'{\n"summary": ' + msgspec.json.encode(summary) + b',\n"problems": ['
    separator = b"\n"
    for entry in entries:
        yield separator + msgspec.json.encode(entry)
        separator = b",\n"
    yield b"\n]\n}\n"


def _entries(
    models: Sequence[str],
    paths: Mapping[tuple[str, str], Path],
    counts_samples: bool,
    shows_passed: bool,
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
                valid, seconds = row.first.get(model, (None, None))
                entry |= {f"{model}_valid": valid, f"{model}_time": seconds}
                if shows_passed:
                    entry[f"{model}_passed"] = row.passed.get(model)
                if counts_samples:
                    valid_samples, answered = row.samples.get(model, (0, 0))
                    entry[f"{model}_samples"] = {"valid": valid_samples, "answered": answered}
            yield entry


def _rows(category: str, files: Iterable[Path]) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for path in files:
        for line, record in solutions_in(path):
            if record.category == category:
                rows.setdefault(record.task_id, _Row(path, line.offset)).add(record)
        for judged in judged_answers(path):
            if judged.sample == 1 and judged.task_id in rows:
                rows[judged.task_id].passed[judged.model] = judged.passed
    return rows


def _problem_text(row: _Row) -> str:
    for _, record in solutions_in(row.path, row.offset):
        return record.problem
    return ""
