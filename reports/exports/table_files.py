"""The tidy table as a file: JSON lines, CSV or Parquet."""

import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args

import msgspec

from config.errors import ConfigError
from reports.exports.nested_columns import (
    NULL,
    VALIDATION,
    Shape,
    arrow_type,
    fitted,
    merge,
    shape_of,
)
from reports.exports.tidy_table import TidyRow
from storage.files.csv_cells import csv_cell, csv_line
from storage.files.durability import replace_file, write_error
from storage.files.regular_file import open_fresh

TableFormat = Literal["parquet", "jsonl", "csv"]
Rows = Iterable[TidyRow]
PARQUET_REQUIREMENTS = "requirements-export.txt"
_ROWS_A_GROUP = 1000
_ARROW_ALIASES = {str: "string", int: "int64", float: "float64", bool: "bool"}


def write_table(read_rows: Callable[[], Rows], kind: TableFormat, target: Path) -> int:
    """Write the table and return how many rows it has.

    read_rows: reads them anew at each call; Parquet needs to know all objects' keys beforehand.
    Raises ConfigError where pyarrow is missing, StoreError where the file cannot be written.
    """
    rows = _Counted(read_rows())
    if kind == "parquet":
        pyarrow, parquet = _library("pyarrow"), _library("pyarrow.parquet")
        _write_parquet(pyarrow, parquet, rows, _shapes(read_rows()), target)
    else:
        encode = _jsonl_lines if kind == "jsonl" else _csv_lines
        replace_file(target, encode(rows), durable=False)
    return rows.count


class _Counted:
    """Rows, counted as they pass."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[TidyRow]:
        for row in self._rows:
            self.count += 1
            yield row


def _jsonl_lines(rows: Rows) -> Iterator[bytes]:
    for row in rows:
        yield msgspec.json.encode(row) + b"\n"


def _csv_lines(rows: Rows) -> Iterator[bytes]:
    yield csv_line(TidyRow.__struct_fields__)
    for row in rows:
        yield csv_line([csv_cell(value) for value in msgspec.structs.astuple(row)])


def _shapes(rows: Rows) -> dict[str, Shape]:
    """Return what the columns hold that hold objects."""
    validation, parameters = VALIDATION, NULL
    for row in rows:
        validation = merge(validation, shape_of(row.validation))
        parameters = merge(parameters, shape_of(row.parameters))
    return {"validation": validation, "parameters": parameters}


def _write_parquet(
    pyarrow: ModuleType,
    parquet: ModuleType,
    rows: Rows,
    shapes: Mapping[str, Shape],
    target: Path,
) -> None:
    schema = pyarrow.schema(
        (field.name, _column_type(pyarrow, field, shapes))
        for field in msgspec.structs.fields(TidyRow)
        if field.name != "timestamp_iso"
    )
    try:
        fresh, file = open_fresh(target)
        try:
            with file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                for group in _groups(rows, shapes):
                    writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(target, error) from error


def _column_type(
    pyarrow: ModuleType, field: msgspec.structs.FieldInfo, shapes: Mapping[str, Shape]
) -> object:
    if field.name == "timestamp":
        return pyarrow.timestamp("us", tz="UTC")
    if field.name in shapes:
        return arrow_type(pyarrow, shapes[field.name])
    return pyarrow.type_for_alias(_arrow_alias(field.type))


def _groups(rows: Rows, shapes: Mapping[str, Shape]) -> Iterator[list[dict[str, object]]]:
    left = iter(rows)
    while group := [_cells(row, shapes) for row in itertools.islice(left, _ROWS_A_GROUP)]:
        yield group


def _cells(row: TidyRow, shapes: Mapping[str, Shape]) -> dict[str, object]:
    cells = msgspec.structs.asdict(row)
    cells["timestamp"] = datetime.fromtimestamp(row.timestamp, UTC)
    return cells | {name: fitted(cells[name], shape) for name, shape in shapes.items()}


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
