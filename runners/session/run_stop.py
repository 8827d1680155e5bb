"""The early end of a run: nothing more is sent, and what is out may come back for a while."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from config.clock import Clock
from config.errors import StoreError
from runners.lanes.lane import Lane

logger = logging.getLogger("collector")


class RunStop:
    """Stops a run's lanes, for a person or because its files cannot be written.

    interrupted: a person asked for it. broken_by: the first file error.
    let_go: calls that were in flight when nobody waited for them any longer.
    abandon_readings: set it to what ends the reading of replies that are on the disk;
    stop_batches: to what ends the waiting for batches, which run on; abandon_batches: and their
    landing, which the next run begins anew.
    """

    def __init__(self, grace_seconds: float, clock: Clock) -> None:
        self.lanes: Sequence[Lane] = ()
        self.interrupted = False
        self.broken_by: StoreError | None = None
        self.let_go = 0
        self.abandon_readings: Callable[[], None] = lambda: None
        self.stop_batches: Callable[[], None] = lambda: None
        self.abandon_batches: Callable[[], None] = lambda: None
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._broken = asyncio.Event()

    async def interrupt(self) -> None:
        """Stop sending, wait for calls in flight up to the grace time, then let them go."""
        self.interrupted = True
        await self._gently()

    def abandon(self) -> None:
        """Stop now; what is written stays."""
        self.interrupted = True
        self._at_once()

    def break_off(self, error: StoreError) -> None:
        """Stop sending because of an error; answers that still arrive may fit."""
        if self.broken_by is None:
            self.broken_by = error
            self._stop_sending()
            self._broken.set()

    async def wait_for_break(self) -> None:
        """Return once the run was broken off and the grace time of its calls is over."""
        await self._broken.wait()
        await self._gently()

    async def _gently(self) -> None:
        self._stop_sending()
        await self._clock.sleep(self._grace_seconds)
        self._at_once()

    def _stop_sending(self) -> None:
        for lane in self.lanes:
            lane.stop()
        self.stop_batches()

    def _at_once(self) -> None:
        in_flight = [lane for lane in self.lanes if lane.out]
        calls = sum(lane.out for lane in in_flight)
        if calls and not self.let_go:
            is_free = all(lane.model.config.is_free for lane in in_flight)
            billed = "" if is_free else "possibly billed, "
            logger.warning("%d calls were abandoned: %sa resume asks for them again", calls, billed)
        self.let_go = max(self.let_go, calls)
        for lane in self.lanes:
            lane.abandon()
        self.abandon_readings()
        self.abandon_batches()
