"""A table for the terminal."""

from collections.abc import Sequence

from runners.progress.terminal_text import printable


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]
    for row in [headings, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print(printable("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip()))
