"""The board as a page: its markup and scripts, with all sessions as they are."""

from functools import cache

from reports.board.board import BoardState
from reports.board.board_json import board_json
from reports.page.shell import Shell, data_block

BOARD = Shell(
    body="board.html",
    scripts=("elements.js", "ranking.js", "board.js", "runs.js", "live.js"),
    libraries=(),
    connects=True,
)


def board_page(state: BoardState, name: str) -> bytes:
    """Return the page; name: what it gives back to hear what happened since."""
    data = board_json(state, name=name).decode("utf-8")
    start, end = _frame()
    return b"".join((start, data_block("board", data).encode("utf-8"), end))


@cache
def _frame() -> tuple[bytes, bytes]:
    return BOARD.start("Sessions").encode("utf-8"), BOARD.end().encode("utf-8")
