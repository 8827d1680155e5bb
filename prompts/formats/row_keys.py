"""The keys of dataset rows: which of them nobody reads, and what was likely meant."""

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches

import msgspec

_ANY_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MOST_NAMED = 10


def keys_of(line: bytes) -> list[str] | None:
    """Return the keys of a line's JSON object, None where it is none."""
    try:
        return list(_ANY_OBJECT.decode(line))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def nearest_key(key: str, known: Iterable[str]) -> str | None:
    """Return which known key a key is likely a slip for."""
    near = get_close_matches(key.lower(), list(known), n=1)
    return near[0] if near else None


class UnknownKeys:
    """Keys that nobody reads, each with the first place where it stands."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._places: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def note(self, keys: Iterable[str], place: str) -> None:
        """Look at one row's keys; place: file.jsonl:LINE."""
        for key in keys:
            if key not in self._known:
                self._places.setdefault(key, place)
                self._counts[key] += 1

    @property
    def warnings(self) -> list[str]:
        """A line for each key that is likely a slip for a known one."""
        return [
            f"{place}: unknown key {key!r}: did you mean {near}? It is not read"
            + (f", in {self._counts[key]} rows" if self._counts[key] > 1 else "")
            for key, place in self._places.items()
            if (near := nearest_key(key, self._known))
        ]

    @property
    def notes(self) -> list[str]:
        """One line for all the others, which are the dataset's own affair."""
        others = [key for key in self._places if not nearest_key(key, self._known)]
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        named = ", ".join(others[:_MOST_NAMED])
        return [f"Keys of the dataset that are not read: {named}{more}"] if others else []
