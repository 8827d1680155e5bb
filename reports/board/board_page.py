"""The board as a page: its markup and scripts, with all sessions as they are."""

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
    parts = (BOARD.start("Sessions"), data_block("board", data), BOARD.end())
    return "".join(parts).encode("utf-8")
