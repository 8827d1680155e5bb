"""A session in other programs' formats: one tidy table, or the CodeEval evaluator's folders."""

import importlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args

import msgspec

from config.errors import ConfigError
from reports.tidy_table import TidyRow, tidy_rows
from storage.files.durability import replace_file, write_error
from storage.files.regular_file import make_folders, open_fresh
from storage.records.record_json import solutions_in
from storage.session.session_folder import refuse_inside_sessions
from storage.solution_store import SolutionStore
from storage.views.category_csv import csv_cell, csv_line

ExportFormat = Literal["parquet", "jsonl", "csv", "runcodeeval"]
PARQUET_REQUIREMENTS = "requirements-export.txt"
_ROWS_A_GROUP = 1000
_ARROW_ALIASES = {str: "string", int: "int64", float: "float64", bool: "bool"}


class _CandidateLine(msgspec.Struct):
    """A line that the CodeEval evaluator reads: github.com/dannybrahman/runcodeeval."""

    task_id: str
    model: str
    candidate_solution: str


def default_target(store: SolutionStore, kind: ExportFormat) -> Path:
    """Return where an export goes inside its session; never where answers are looked for."""
    return store.path / ("runcodeeval" if kind == "runcodeeval" else f"solutions.{kind}")


def export_session(store: SolutionStore, kind: ExportFormat, target: Path) -> int:
    """Write a session in a format and return how many rows there are.

    target: a file, or for runcodeeval a folder that gets one folder a model.
    Raises ConfigError where the target is among a session's own files or a library is missing,
    StoreError where it cannot be written.
    """
    if target.resolve() != default_target(store, kind).resolve():
        refuse_inside_sessions(target)
    if kind == "runcodeeval":
        return _write_candidates(store, target)
    rows = _Counted(tidy_rows(store))
    if kind == "parquet":
        _write_parquet(rows, target)
    else:
        encode = _jsonl_lines if kind == "jsonl" else _csv_lines
        replace_file(target, encode(rows), durable=False)
    return rows.count


class _Counted:
    """Rows, counted as they pass."""

    def __init__(self, rows: Iterable[TidyRow]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[TidyRow]:
        for row in self._rows:
            self.count += 1
            yield row


def _jsonl_lines(rows: Iterable[TidyRow]) -> Iterator[bytes]:
    for row in rows:
        yield msgspec.json.encode(row) + b"\n"


def _csv_lines(rows: Iterable[TidyRow]) -> Iterator[bytes]:
    yield csv_line(TidyRow.__struct_fields__)
    for row in rows:
        yield csv_line([csv_cell(value) for value in msgspec.structs.astuple(row)])


def _write_parquet(rows: Iterable[TidyRow], target: Path) -> None:
    pyarrow, parquet = _library("pyarrow"), _library("pyarrow.parquet")
    schema = pyarrow.schema(
        (field.name, pyarrow.type_for_alias(_arrow_alias(field.type)))
        for field in msgspec.structs.fields(TidyRow)
    )
    try:
        fresh, file = open_fresh(target)
        try:
            with file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                for group in _groups(rows):
                    writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(target, error) from error


def _write_candidates(store: SolutionStore, target: Path) -> int:
    """Write a folder a model, or where there are samples sample_1, sample_2 ... of such folders."""
    if store.samples == 1:
        return _write_candidates_of(store, 1, target)
    return sum(
        _write_candidates_of(store, sample, target / f"sample_{sample}")
        for sample in range(1, store.samples + 1)
    )


def _write_candidates_of(store: SolutionStore, sample: int, target: Path) -> int:
    count = 0
    for model in store.answered_counts():
        for category, path in store.get_category_files(model).items():
            lines = list(_candidate_lines(path, model, category, sample))
            folder = target / path.parent.name
            try:
                if target.is_relative_to(store.path):
                    make_folders(store.path, folder)
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise write_error(folder, error) from error
            replace_file(folder / path.name, lines, durable=False)
            count += len(lines)
    return count


def _candidate_lines(path: Path, model: str, category: str, sample: int) -> Iterator[bytes]:
    for _, record in solutions_in(path):
        if (record.model, record.category, record.sample) == (model, category, sample):
            line = _CandidateLine(record.task_id, record.model, record.extracted_solution)
            yield msgspec.json.encode(line) + b"\n"


def _groups(rows: Iterable[TidyRow]) -> Iterator[list[dict[str, object]]]:
    left = iter(rows)
    while group := [msgspec.structs.asdict(row) for row in itertools.islice(left, _ROWS_A_GROUP)]:
        yield group


def _arrow_alias(kind: object) -> str:
    """Return Arrow's name for a field's type; None may stand in any column."""
    kinds = [part for part in get_args(kind) if part is not type(None)] or [kind]
    return next((alias for type_, alias in _ARROW_ALIASES.items() if type_ in kinds), "string")


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--format parquet needs pyarrow: python -m pip install -r {PARQUET_REQUIREMENTS}"
        ) from error
