"""Category files as .csv for spreadsheets: appended to while they grow, rebuilt when in doubt."""

from collections.abc import Iterator
from pathlib import Path

from storage.files.csv_cells import csv_line
from storage.files.durability import replace_file, write_error
from storage.files.regular_file import is_regular, open_to_append
from storage.records.record_csv import COLUMNS, csv_row, is_export
from storage.records.record_json import solutions_in

MOST_CSV_ROWS = 1_000_000  # spreadsheets end at 1,048,576


class CsvExporter:
    """The .csv files beside .jsonl files; knows how far each one has come in this process."""

    def __init__(self) -> None:
        self._written: dict[Path, tuple[int, int]] = {}

    def refresh(self, source: Path) -> Path:
        """Return the .csv of a .jsonl file, with every answer in it.

        Only answers that are new since the last call are read, unless the .csv was made by another
        process or changed since: then it is made anew.
        Raises StoreError where it cannot be written.
        """
        target = source.with_suffix(".csv")
        source_end, target_size = self._written.pop(source, (0, -1))
        try:
            if target_size >= 0 and _size(target) == target_size:
                source_end = _append_rows(source, source_end, target)
            else:
                source_end = _write_anew(source, target)
            self._written[source] = (source_end, target.stat().st_size)
        except OSError as error:
            raise write_error(target, error) from error
        return target

    def drop(self, source: Path) -> bool:
        """Return whether there was a .csv of a .jsonl file; it is gone now.

        Raises StoreError where it cannot be deleted.
        """
        target = source.with_suffix(".csv")
        self._written.pop(source, None)
        try:
            if not is_export(target):
                return False
            target.unlink()
        except OSError as error:
            raise write_error(target, error) from error
        return True


def _size(path: Path) -> int | None:
    return path.stat().st_size if is_regular(path) else None


def _append_rows(source: Path, start: int, target: Path) -> int:
    with open_to_append(target) as file:
        for line, record in solutions_in(source, start):
            file.write(csv_line(csv_row(record)))
            start = line.offset + len(line.raw)
    return start


def _write_anew(source: Path, target: Path) -> int:
    end = 0

    def rows() -> Iterator[bytes]:
        nonlocal end
        yield csv_line(COLUMNS)
        for line, record in solutions_in(source):
            end = line.offset + len(line.raw)
            yield csv_line(csv_row(record))

    replace_file(target, rows(), durable=False)
    return end
