"""Tables that a command printed, read back."""

import re


def cells(printed: str) -> dict[str, dict[str, str]]:
    """Return first cell -> heading -> cell, over all the parts that a table is printed in.

    A part begins with a line whose first word is "model" or "session" and ends before a line
    without gaps between cells.
    """
    found: dict[str, dict[str, str]] = {}
    headings: list[str] = []
    for line in printed.splitlines():
        row = re.split(r" {2,}", line.strip())
        if row[0] in ("model", "session", "session/model") and len(row) > 1:
            headings = row
        elif len(row) == len(headings):
            found.setdefault(row[0], {}).update(zip(headings, row, strict=True))
        else:
            headings = []
    return found
