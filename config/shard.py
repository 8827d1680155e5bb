"""Which share of the problems a run asks, so that several machines ask all of them between them."""

import hashlib
from dataclasses import dataclass

MOST_SHARDS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of `of` shares of the problems, counted from 1.

    A problem's share rests on its task_id alone: all models and samples of it are in one share,
    on every machine and in every release.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        """Raise ValueError where there is no such share."""
        if not 1 <= self.of <= MOST_SHARDS:
            raise ValueError(f"there are 1 to {MOST_SHARDS:,} shards, not {self.of}")
        if not 1 <= self.number <= self.of:
            raise ValueError(f"shards are numbered from 1 to {self.of}: there is no {self.number}")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def holds(self, task_id: str) -> bool:
        """Return whether the problem is in this share."""
        digest = hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1


def parse_shard(text: str) -> Shard:
    """Return the shard that "2/4" names; raises ValueError, for people, where it names none."""
    number, slash, of = text.partition("/")
    longest = len(str(MOST_SHARDS))
    is_number = [
        part.isascii() and part.isdigit() and len(part) <= longest for part in (number, of)
    ]
    if not slash or not all(is_number):
        raise ValueError("a shard is I/N, as 2/4")
    return Shard(number=int(number), of=int(of))
