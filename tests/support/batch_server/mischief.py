"""What can go wrong with one batch, whatever the wire: a test says which, for the next batches."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Creation = Literal["answered", "reply lost", "request lost", "500 after", "500 before"]
RowKind = Literal["answered", "refused", "overloaded", "not run", "no status", "missing"]


@dataclass(slots=True)
class Mischief:
    """How one batch behaves; as it stands: well, and it has ended at the second poll.

    creation: whether there is a batch, and whether its creator hears of it.
    unlisted: so many lists do not show it yet. polls: so many say that it runs.
    ends: the state in which it ends. fault: (code, words, line) of one that failed.
    rows: row (from 1) -> what becomes of it. order: of the results, by row.
    doubled: rows that come twice. aliens: rows of nobody's. replies: row -> the text of its answer.
    raw_rows: row -> its whole line. late_files: so many polls name no results after the end.
    breaks: so many downloads break off. not_found: so many polls say 404.
    counts_turn_back: what it calls done gets less.
    """

    creation: Creation = "answered"
    unlisted: int = 0
    polls: int = 1
    ends: str = "completed"
    fault: tuple[str, str, int | None] | None = None
    rows: dict[int, RowKind] = field(default_factory=dict)
    order: Callable[[list[int]], list[int]] = list
    doubled: tuple[int, ...] = ()
    aliens: int = 0
    replies: dict[int, str] = field(default_factory=dict)
    raw_rows: dict[int, bytes] = field(default_factory=dict)
    late_files: int = 0
    breaks: int = 0
    not_found: int = 0
    counts_turn_back: bool = False
