"""guide.md's ids of answered tasks, as progress.json lists them while they are few enough."""

import msgspec

from storage.files.utf8_text import clean_text
from storage.records.solution_record import TaskKey

MOST_LISTED_IDS = 200_000  # some 7 MB, in memory and in every save


class CompletedIds:
    """The entries of completed_task_ids, as JSON; a task that is added twice stands there twice."""

    def __init__(self, most: int = MOST_LISTED_IDS) -> None:
        self._most = most
        self._count = 0
        self._entries = bytearray()

    def clear(self) -> None:
        """Forget all of them."""
        self._count = 0
        self._entries.clear()

    def add(self, label: str, key: TaskKey) -> None:
        """List a task that a model answered."""
        self._count += 1
        if self._count > self._most:
            self._entries.clear()
            return
        separator = b",\n      " if self._entries else b"\n      "
        self._entries += separator + msgspec.json.encode(full_id(label, key))

    def entries(self) -> bytes | None:
        """Return the list without its brackets, None where it would be too long to write."""
        return None if self._count > self._most else bytes(self._entries)


def full_id(label: str, key: TaskKey) -> str:
    """Return guide.md's id of a model's task; sample 2 and later are told by their number."""
    task_id, sample = key
    return clean_text(f"{task_id}_{label}" + (f"#{sample}" if sample > 1 else ""))
