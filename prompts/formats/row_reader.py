"""Which reader a dataset's rows are for: what the first row's fields say."""

from collections.abc import Callable

import msgspec

from prompts.formats import codeeval, evalplus, humaneval, mbpp
from prompts.problem import Problem

RowReader = Callable[[bytes, str], Problem]

# Another dataset format is one more file here and one more line. The first that fits is taken.
_READERS: tuple[tuple[frozenset[str], RowReader], ...] = (
    (evalplus.FIELDS, evalplus.read_row),
    (humaneval.FIELDS, humaneval.read_row),
    (mbpp.FIELDS, mbpp.read_row),
)


def reader_of(first_line: bytes) -> RowReader:
    """Return what reads the rows of a file with this first line: by default our own reader."""
    try:
        fields = msgspec.json.decode(first_line, type=dict[str, msgspec.Raw]).keys()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return codeeval.read_row
    if "problem" in fields:
        return codeeval.read_row
    return next((read for wanted, read in _READERS if wanted <= fields), codeeval.read_row)
