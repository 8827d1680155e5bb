"""Category files as .csv for spreadsheets: appended to while they grow, rebuilt when in doubt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.files.csv_cells import csv_line
from storage.files.durability import replace_file, write_error
from storage.files.regular_file import is_regular, open_to_append
from storage.records.record_csv import COLUMNS, csv_row, is_export
from storage.records.record_json import solutions_in, solutions_in_files

MOST_CSV_ROWS = 1_000_000  # spreadsheets end at 1,048,576


@dataclass(frozen=True, slots=True)
class _Place:
    """Up to where answers are in a .csv file: so many bytes of one of their files."""

    source: Path
    end: int


class CsvExporter:
    """The .csv files beside .jsonl files; knows how far each one has come in this process."""

    def __init__(self) -> None:
        self._written: dict[Path, tuple[_Place, int]] = {}

    def refresh(self, sources: Sequence[Path]) -> Path:
        """Return the .csv of the .jsonl files of a category, with every answer in it.

        Only answers that are new since the last call are read, unless the .csv was made by another
        process or changed since: then it is made anew.
        Raises StoreError where it cannot be written.
        """
        target = sources[0].with_suffix(".csv")
        place, target_size = self._written.pop(sources[0], (_Place(sources[0], 0), -1))
        try:
            if target_size >= 0 and _size(target) == target_size:
                place = _append_rows(sources, place, target)
            else:
                place = _write_anew(sources, target)
            self._written[sources[0]] = (place, target.stat().st_size)
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


def _append_rows(sources: Sequence[Path], place: _Place, target: Path) -> _Place:
    with open_to_append(target) as file:
        for source in sources[sources.index(place.source) :]:
            start = place.end if source == place.source else 0
            for line, record in solutions_in(source, start):
                file.write(csv_line(csv_row(record)))
                place = _Place(source, line.offset + len(line.raw))
    return place


def _write_anew(sources: Sequence[Path], target: Path) -> _Place:
    place = _Place(sources[0], 0)

    def rows() -> Iterator[bytes]:
        nonlocal place
        yield csv_line(COLUMNS)
        for source, line, record in solutions_in_files(sources):
            place = _Place(source, line.offset + len(line.raw))
            yield csv_line(csv_row(record))

    replace_file(target, rows(), durable=False)
    return place
