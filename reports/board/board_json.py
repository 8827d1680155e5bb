"""A board as the JSON that its page reads: all of it, or what changed since a look."""

import msgspec

from reports.board.board import BoardState


class Board(msgspec.Struct):
    """What the page shows.

    sessions: those that are new or changed. listed: all that are there, None where unchanged.
    """

    sessions: list[msgspec.Raw]
    listed: list[str] | None
    note: str
    is_whole: bool
    name: str


def board_json(state: BoardState, since: int = 0, name: str = "") -> bytes:
    """Return what a page does not know that knows the look with this number; 0: nothing."""
    changed = [shown for shown in state.sessions.values() if shown.changed_at > since]
    return msgspec.json.encode(
        Board(
            sessions=[msgspec.Raw(shown.json) for shown in changed],
            listed=[shown.session for shown in state.sessions.values()]
            if state.listed_at > since
            else None,
            note=state.note,
            is_whole=state.is_whole,
            name=name,
        )
    )
