"""Values as cells of a .csv file that every spreadsheet reads, and none runs."""

import re
from collections.abc import Sequence

import msgspec

# A cell that starts so is run as a formula: owasp.org/www-community/attacks/CSV_Injection
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
# Programs that split at ; or tabs do not see our quotes: there lines begin inside a cell, too.
_INNER_FORMULA = re.compile(r'([;\t\r\n]"*)(?=[=+\-@＝＋－＠])')  # noqa: RUF001
_QUOTED_FOR = re.compile('[",\n\r]')
_MAX_CELL_CHARACTERS = 32_000  # Excel holds 32,767 and spills what is longer into the next row


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
