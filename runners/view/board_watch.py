"""Looks at the folder of sessions for everybody who watches, and only while somebody does."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import Future
from threading import Lock, Thread

from config.clock import Clock
from reports.board.board import Board, BoardState

_SECONDS_WHILE_RUNNING = 1.0
_SECONDS_OTHERWISE = 3.0
_MOST_SHARE = 0.2  # of the time, for looking


class BoardWatch:
    """One thread reads, however many watch; run() has to be running."""

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._reading = Lock()  # whoever asked may have gone before a look was over
        self._clock = clock
        self._turn = asyncio.Lock()
        self._looked_at = -_SECONDS_OTHERWISE
        self._watchers = 0
        self._wanted = asyncio.Event()
        self._next_look = asyncio.Event()

    @property
    def state(self) -> BoardState:
        return self._board.state

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Keep looking until the end of the block."""
        self._watchers += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._wanted.clear()

    async def run(self) -> None:
        """Look once, for whoever comes first, and then again and again while somebody watches."""
        await self.fresh()
        while True:
            await self._wanted.wait()
            before = self._clock.monotonic()
            state = await self.fresh()
            took = self._clock.monotonic() - before
            pause = _SECONDS_WHILE_RUNNING if state.has_running else _SECONDS_OTHERWISE
            await self._clock.sleep(max(pause if state.is_whole else 0.0, took / _MOST_SHARE))

    async def fresh(self) -> BoardState:
        """Return a state that is no more than a moment old."""
        async with self._turn:
            age = self._clock.monotonic() - self._looked_at
            if age < _SECONDS_WHILE_RUNNING / 2 and self.state.is_whole:
                return self.state
            state = await self._look()
            self._looked_at = self._clock.monotonic()
            done, self._next_look = self._next_look, asyncio.Event()
            done.set()
            return state

    async def _look(self) -> BoardState:
        """Look in a thread that nobody waits for at the end, however long its files take."""
        found: Future[BoardState] = Future()
        found.set_running_or_notify_cancel()

        def look() -> None:
            with self._reading:
                try:
                    found.set_result(self._board.look())
                except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                    found.set_exception(error)

        Thread(target=look, name="board", daemon=True).start()
        return await asyncio.wrap_future(found)

    async def next_look(self, after: int) -> BoardState:
        """Return the first state that is later than that number."""
        while self.state.number <= after:
            await self._next_look.wait()
        return self.state
