"""spending.json: the most that a session can have cost, on the disk before it is spent.

The answers' own costs stand in their records. This file is about the rest: calls that were in
flight when a run was killed, calls that failed after they may have been billed, batches that are
open. It is not derived from anything: without it that money would be forgotten.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from storage.files.durability import replace_file
from storage.session.manifest import decode_file, pretty_json

SPENDING_NAME = "spending.json"
_MOST_USD = 1e12  # what is not below that is no sum of money

Usd = Annotated[float, msgspec.Meta(ge=0.0, le=_MOST_USD)]


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What a session may have cost, in US dollars, over all its runs.

    committed_usd: answers and all other calls, those in flight included, cost no more than this.
    held_usd: name -> worst case of what outlives a run (a batch), on top, until it is settled.
    """

    committed_usd: Usd = 0.0
    held_usd: Mapping[str, Usd] = msgspec.field(default_factory=dict)

    def reserved_usd(self, answers_usd: float) -> float:
        """Return the most that was billed beside the answers, which cost answers_usd."""
        return max(0.0, self.committed_usd - answers_usd) + sum(self.held_usd.values())


def read_spending(folder: Path) -> Spending | None:
    """Return what a session may have cost, None where the file is missing or makes no sense."""
    return decode_file(folder / SPENDING_NAME, Spending)


def write_spending(folder: Path, spending: Spending) -> None:
    """Return once it is on the disk; raises StoreError, with the old file left, where it cannot."""
    path = folder / SPENDING_NAME
    replace_file(path, pretty_json(spending, path))
