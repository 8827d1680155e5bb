"""How much of replies may be in memory at once, however many arrive."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

MOST_BYTES = 128_000_000  # of all replies that are being read
MOST_REPLY_BYTES = 8_000_000  # of one reply, unpacked
_NEVER_WAIT_BYTES = 64_000  # of one reply; few answers are longer


class ReadingRoom:
    """Room for the replies that are being read.

    A reply's first bytes never wait, so that ordinary replies come through whatever large ones
    do. Of those that need more room than is left, one alone goes on, in room that is kept for
    it: it can always be read to its end, so replies never wait for each other in a circle.
    """

    def __init__(
        self,
        most_bytes: int = MOST_BYTES,
        most_reply_bytes: int = MOST_REPLY_BYTES,
        never_wait_bytes: int = _NEVER_WAIT_BYTES,
    ) -> None:
        self.held_bytes = self.most_held_bytes = 0
        self._shared_bytes = most_bytes - most_reply_bytes
        self._never_wait_bytes = never_wait_bytes
        self._going_on: Reader | None = None
        self._waiting: list[asyncio.Future[None]] = []

    @contextmanager
    def reader(self) -> Iterator["Reader"]:
        """Yield what takes room for one reply; the room is given back at the end."""
        reader = Reader(self)
        try:
            yield reader
        finally:
            self._leave(reader)

    def admits(self, reader: "Reader", count: int) -> bool:
        """Tell whether a reader may hold so many bytes more."""
        if reader.held_bytes + count <= self._never_wait_bytes:
            return True
        if self.held_bytes + count <= self._shared_bytes:
            return True
        if self._going_on is None:
            self._going_on = reader
        return self._going_on is reader

    def hold(self, count: int) -> None:
        """Count bytes that a reader holds from now on."""
        self.held_bytes += count
        self.most_held_bytes = max(self.most_held_bytes, self.held_bytes)

    async def change(self) -> None:
        """Return once a reader has left."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _leave(self, reader: "Reader") -> None:
        self.held_bytes -= reader.held_bytes
        if self._going_on is reader:
            self._going_on = None
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class Reader:
    """The room that one reply takes."""

    def __init__(self, room: ReadingRoom) -> None:
        self.held_bytes = 0
        self._room = room

    async def take(self, count: int) -> None:
        """Return once there is room for so many bytes more."""
        while not self._room.admits(self, count):
            await self._room.change()
        self.held_bytes += count
        self._room.hold(count)
