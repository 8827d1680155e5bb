"""The tidy table as a file: JSON lines, CSV or Parquet; its rows are made where there are cores."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Literal

import msgspec

from processors.workers.chunks import map_chunks, whole
from processors.workers.engine import Engine
from processors.workers.messages import Work
from reports.exports.nested_columns import NULL, VALIDATION, Shape, merge
from reports.exports.row_work import (
    Rows,
    Shapes,
    arrow_library,
    arrow_rows,
    arrow_schema,
    chunks_of,
    csv_rows,
    jsonl_rows,
    shapes_in,
)
from reports.exports.tidy_table import TidyRow, row_sources
from storage.files.csv_cells import csv_line
from storage.files.durability import replace_file, write_error
from storage.files.regular_file import open_fresh
from storage.solution_store import SolutionStore

TableFormat = Literal["parquet", "jsonl", "csv"]


@dataclass(slots=True)
class TableWriter:
    """Writes a session's table; engine: what makes its rows. rows: how many were written."""

    store: SolutionStore
    engine: Engine
    rows: int = 0

    def write(self, kind: TableFormat, target: Path) -> None:
        """Write the table.

        Raises ConfigError where pyarrow is missing, StoreError where the file cannot be written.
        """
        if kind == "parquet":
            self._write_parquet(target)
        elif kind == "jsonl":
            replace_file(target, self._made(jsonl_rows), durable=False)
        else:
            replace_file(target, self._csv(), durable=False)

    def _csv(self) -> Iterator[bytes]:
        yield csv_line(TidyRow.__struct_fields__)
        yield from self._made(csv_rows)

    def _made(self, function: Work, shapes: Shapes | None = None) -> Iterator[bytes]:
        for result in self._results(function, shapes):
            rows = msgspec.msgpack.decode(result, type=Rows)
            self.rows += rows.count
            yield rows.content

    def _results(self, function: Work, shapes: Shapes | None = None) -> Iterator[bytes]:
        engine = self.engine
        chunks = chunks_of(self.store.session_id, row_sources(self.store, engine), shapes)
        return map(whole, map_chunks(engine.executor, function, chunks, engine.window))

    def _write_parquet(self, target: Path) -> None:
        pyarrow, parquet = arrow_library("pyarrow"), arrow_library("pyarrow.parquet")
        shapes = self._shapes()  # all objects' keys have to be known beforehand
        schema = arrow_schema(pyarrow, shapes)
        try:
            fresh, file = open_fresh(target)
            try:
                with file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                    for stream in self._made(arrow_rows, shapes):
                        writer.write_table(pyarrow.ipc.open_stream(stream).read_all())
                fresh.replace(target)
            finally:
                fresh.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(target, error) from error

    def _shapes(self) -> Shapes:
        found = [
            msgspec.msgpack.decode(result, type=dict[str, Shape])
            for result in self._results(shapes_in)
        ]
        return {
            name: reduce(merge, (shapes[name] for shapes in found), start)
            for name, start in (("validation", VALIDATION), ("parameters", NULL))
        }
