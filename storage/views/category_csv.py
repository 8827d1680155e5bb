"""Category files as .csv for spreadsheets: appended to while they grow, rebuilt when in doubt."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from storage.files.durability import replace_file, write_error
from storage.files.regular_file import is_regular, open_to_append, open_to_read
from storage.records.record_json import solutions_in
from storage.records.solution_record import SolutionRecord

_COLUMNS = SolutionRecord.__struct_fields__
# A cell that starts so is run as a formula: owasp.org/www-community/attacks/CSV_Injection
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
# Programs that split at ; or tabs do not see our quotes: there lines begin inside a cell, too.
_INNER_FORMULA = re.compile(r'([;\t\r\n]"*)(?=[=+\-@＝＋－＠])')  # noqa: RUF001
_QUOTED_FOR = re.compile('[",\n\r]')
_MAX_CELL_CHARACTERS = 32_000  # Excel holds 32,767 and spills what is longer into the next row


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


def is_export(path: Path) -> bool:
    """Return whether a .csv file was made here, in this version or another."""
    if not is_regular(path):
        return False
    start = f"{_COLUMNS[0]},".encode()
    with open_to_read(path) as file:
        return file.read(len(start)) == start


def csv_row(record: SolutionRecord) -> list[str]:
    """Return a record as cells; nested values are JSON text, missing ones empty."""
    return [csv_cell(value) for value in msgspec.structs.astuple(record)]


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
        yield csv_line(_COLUMNS)
        for line, record in solutions_in(source):
            end = line.offset + len(line.raw)
            yield csv_line(csv_row(record))

    replace_file(target, rows(), durable=False)
    return end


def csv_line(cells: Sequence[str]) -> bytes:
    """Return cells as one line of a .csv file.

    As csv.writer makes it, which takes ten times as long for cells as large as these.
    """
    return (",".join(map(_quoted, cells)) + "\r\n").encode("utf-8")


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _QUOTED_FOR.search(cell) else cell


def csv_cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet runs, cuts or spills."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _text_cell(value)
    if isinstance(value, bool | int | float):
        return str(value)
    return _text_cell(msgspec.json.encode(value).decode("utf-8"))


def _text_cell(text: str) -> str:
    shown = text.replace("\0", "\u2400")
    if len(shown) > _MAX_CELL_CHARACTERS:
        left_out = len(shown) - _MAX_CELL_CHARACTERS
        shown = f"{shown[:_MAX_CELL_CHARACTERS]} [... {left_out} more characters in the .jsonl]"
    harmless = _INNER_FORMULA.sub(r"\1'", shown)
    return f"'{harmless}" if shown.startswith(_FORMULA_STARTS) else harmless
