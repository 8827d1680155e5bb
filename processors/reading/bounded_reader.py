"""Reads replies where that is bounded: short ones here, all others in worker processes."""

from processors.reading.reading import Reading, Reply, read_reply
from processors.reading.reading_work import (
    check,
    packed_copy,
    packed_reply,
    read,
    unpacked_check,
    unpacked_reading,
)
from processors.workers.bounds import Unfinished
from processors.workers.pool import Workers

# What an ordinary short reply has. Of texts made to be hard on the rules those of this size take up
# to 4 ms; the worst that a search of minutes bred, 30 ms. tests/processors/test_short_replies.py.
SHORT_CHARACTERS = 1_200
SHORT_LINES = 50


def is_short(text: str) -> bool:
    """Return whether a text may be read in the event loop."""
    return len(text) <= SHORT_CHARACTERS and len(text.splitlines()) <= SHORT_LINES


class BoundedReader:
    """Reads replies in workers, which end where a reply is beyond their bounds."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    @property
    def at_once(self) -> int:
        """How many replies are read at a time."""
        return self._workers.count

    async def read(self, reply: Reply) -> Reading | Unfinished:
        """Return what the rules find, or why they could not be applied within bounds.

        Raises NoWorker where no worker can be started.
        """
        result = await self._workers.run(read, packed_reply(reply))
        return result if isinstance(result, Unfinished) else unpacked_reading(result)

    async def check(
        self, completion: str, reply: Reply, found: Reading
    ) -> Reading | str | Unfinished:
        """Return the reading of what an LLM copied, what is wrong with it, or why it is unread.

        Raises NoWorker where no worker can be started.
        """
        payload = packed_copy(completion, reply, found.extraction)
        result = await self._workers.run(check, payload)
        return result if isinstance(result, Unfinished) else unpacked_check(result)


def read_short(reply: Reply) -> Reading | Unfinished:
    """Return what the rules find in a short reply, at once; a fault of the rules gives it up."""
    assert is_short(reply.text), "only short replies are read in the event loop"
    try:
        return read_reply(reply)
    except Exception as error:  # noqa: BLE001 - as in a worker: one reply must not end a run
        return Unfinished(f"{type(error).__name__}: {error}")
