"""Tables and sentences for people, no wider than their terminal."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from runners.progress.terminal_text import printable

_GAP = "  "
_SHORTEST_NAME = 12


def terminal_columns() -> int:
    """Return how wide the terminal is; 80 where there is none and COLUMNS is not set."""
    return shutil.get_terminal_size().columns


def print_wrapped(text: str, indent: str = "") -> None:
    """Print a sentence on as many lines as it needs; indent: before all but the first."""
    columns = terminal_columns()
    print(
        textwrap.fill(
            printable(text),
            columns,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def agrees(question: str, words: Sequence[str] = ("y", "yes")) -> bool:
    """Ask on the terminal, and return whether one of the words was typed; Ctrl-D is no."""
    try:
        return input(question).strip().lower() in words
    except EOFError:
        print()
        return False


def print_entries(entries: Sequence[tuple[str, str]]) -> None:
    """Print a line a name with what is said of it, beside each other where there is room."""
    room = terminal_columns()
    width = max(len(name) for name, _ in entries)
    for name, words in entries:
        line = printable(f"{name.ljust(width)}{_GAP}{words}".rstrip())
        if len(line) > room:
            line = printable(f"{name}{_GAP}{words}")
        print_wrapped(line, indent=" " * 4) if len(line) > room else print(line)


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    groups: Sequence[int] = (),
    *,
    ends_in_text: bool = False,
) -> None:
    """Print rows under headings: the first column to the left, figures to the right.

    groups: how many of the other columns belong together, from the left; by default each may
    stand apart. Where they do not all fit beside each other, the rows are printed again, with
    their first column, for those that are left. ends_in_text: the last column holds no figures.
    """
    table = [[printable(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    room = terminal_columns()
    groups = groups or [1] * (len(headings) - 1)
    widest = max((_width(widths, group) for group in _places(groups)), default=0)
    widths[0] = min(widths[0], max(_SHORTEST_NAME, room - widest))
    text_column = len(headings) - 1 if ends_in_text else 0
    parts = list(_parts(widths, groups, room))
    for part in parts:
        if part is not parts[0]:
            print()
        for row in table:
            cells = [shortened(row[0], widths[0]).ljust(widths[0])]
            for place in part:
                adjust = str.ljust if place == text_column else str.rjust
                cells.append(adjust(row[place], widths[place]))
            print(_GAP.join(cells).rstrip())


def shortened(text: str, width: int) -> str:
    """Return a name of at most this width: many differ at their ends alone, so the middle goes."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"


def _parts(widths: Sequence[int], groups: Sequence[int], room: int) -> Iterator[list[int]]:
    """Yield the places of the columns that stand beside each other, the first one apart."""
    part: list[int] = []
    for group in _places(groups):
        if part and widths[0] + _width(widths, [*part, *group]) > room:
            yield part
            part = []
        part += group
    yield part


def _places(groups: Sequence[int]) -> Iterator[list[int]]:
    first = 1
    for size in groups:
        yield list(range(first, first + size))
        first += size


def _width(widths: Sequence[int], places: Sequence[int]) -> int:
    return sum(len(_GAP) + widths[place] for place in places)
