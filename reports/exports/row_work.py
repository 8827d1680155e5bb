"""Rows of the tidy table as work for another process: a chunk of lines in, rows of a file out."""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from types import ModuleType
from typing import get_args

import msgspec

from config.errors import ConfigError
from reports.exports.nested_columns import NULL, Shape, arrow_type, fitted, merge, shape_of
from reports.exports.tidy_table import RowSource, TidyRow, row_of
from storage.files.csv_cells import csv_cell, csv_line

PARQUET_REQUIREMENTS = "requirements-export.txt"
_ROWS_A_CHUNK = 1000
_ARROW_ALIASES = {str: "string", int: "int64", float: "float64", bool: "bool"}

Shapes = Mapping[str, Shape]  # of the columns that hold objects


class _Chunk(msgspec.Struct, frozen=True, array_like=True):
    session_id: str
    sources: Sequence[RowSource]
    shapes: Shapes


class Rows(msgspec.Struct, frozen=True, array_like=True):
    """Some rows of a file: how many, and their bytes."""

    count: int
    content: bytes


def chunks_of(
    session_id: str, sources: Iterable[RowSource], shapes: Shapes | None = None
) -> Iterator[bytes]:
    """Yield what the functions below take; shapes: for Parquet, of the whole table."""
    left = iter(sources)
    while some := list(islice(left, _ROWS_A_CHUNK)):
        yield msgspec.msgpack.encode(_Chunk(session_id, some, shapes or {}))


def jsonl_rows(chunk: bytes) -> bytes:
    """Return Rows of JSON lines."""
    return _packed([msgspec.json.encode(row) + b"\n" for row in _rows(chunk)])


def csv_rows(chunk: bytes) -> bytes:
    """Return Rows of CSV, with long cells cut."""
    values = (msgspec.structs.astuple(row) for row in _rows(chunk))
    return _packed([csv_line([csv_cell(value) for value in row]) for row in values])


def shapes_in(chunk: bytes) -> bytes:
    """Return the Shapes of a chunk's rows."""
    validation = parameters = NULL
    for row in _rows(chunk):
        validation = merge(validation, shape_of(row.validation))
        parameters = merge(parameters, shape_of(row.parameters))
    return msgspec.msgpack.encode({"validation": validation, "parameters": parameters})


def arrow_rows(chunk: bytes) -> bytes:
    """Return Rows whose bytes are a stream of Arrow's."""
    shapes = msgspec.msgpack.decode(chunk, type=_Chunk).shapes
    cells = [_cells(row, shapes) for row in _rows(chunk)]
    pyarrow = arrow_library("pyarrow")
    schema, stream = arrow_schema(pyarrow, shapes), BytesIO()
    with pyarrow.ipc.new_stream(stream, schema) as writer:
        writer.write_table(pyarrow.Table.from_pylist(cells, schema=schema))
    return msgspec.msgpack.encode(Rows(len(cells), stream.getvalue()))


def arrow_schema(pyarrow: ModuleType, shapes: Shapes) -> object:
    """Return the table's schema."""
    return pyarrow.schema(
        (field.name, _column_type(pyarrow, field, shapes))
        for field in msgspec.structs.fields(TidyRow)
        if field.name != "timestamp_iso"
    )


def arrow_library(name: str) -> ModuleType:
    """Return a module of pyarrow's; raises ConfigError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--format parquet needs pyarrow: python -m pip install -r {PARQUET_REQUIREMENTS}"
        ) from error


def _rows(chunk: bytes) -> Iterator[TidyRow]:
    packed = msgspec.msgpack.decode(chunk, type=_Chunk)
    for source in packed.sources:
        row = row_of(packed.session_id, source)
        if row is not None:
            yield row


def _packed(rows: list[bytes]) -> bytes:
    return msgspec.msgpack.encode(Rows(len(rows), b"".join(rows)))


def _column_type(pyarrow: ModuleType, field: msgspec.structs.FieldInfo, shapes: Shapes) -> object:
    if field.name == "timestamp":
        return pyarrow.timestamp("us", tz="UTC")
    if field.name in shapes:
        return arrow_type(pyarrow, shapes[field.name])
    return pyarrow.type_for_alias(_arrow_alias(field.type))


def _cells(row: TidyRow, shapes: Shapes) -> dict[str, object]:
    cells = msgspec.structs.asdict(row)
    cells["timestamp"] = datetime.fromtimestamp(row.timestamp, UTC)
    return cells | {name: fitted(cells[name], shape) for name, shape in shapes.items()}


def _arrow_alias(kind: object) -> str:
    """Return Arrow's name for a field's type; None may stand in any column."""
    kinds = [part for part in get_args(kind) if part is not type(None)] or [kind]
    return next((alias for type_, alias in _ARROW_ALIASES.items() if type_ in kinds), "string")
