"""Keeps spending.json ahead of what a run spends: nothing leaves before its worst case is there."""

import asyncio
import threading
from pathlib import Path

from msgspec.structs import replace

from storage.session.spending_file import Spending, write_spending


class SpendingLedger:
    """One session's spending.json while a run spends.

    Writes are shared: those who need more wait for one that covers them all. What is lowered
    may be late or lost, what is raised never.

    spending: as it is on the disk.
    """

    def __init__(self, folder: Path, spending: Spending) -> None:
        self.spending = spending
        self._folder = folder
        self._wanted = spending
        self._turn = asyncio.Lock()
        self._writing = threading.Lock()

    @property
    def held_usd(self) -> float:
        """The worst case of all that outlives the run."""
        return sum(self._wanted.held_usd.values())

    def covers(self, committed_usd: float) -> bool:
        """Tell whether the disk knows that so much may be spent."""
        return committed_usd <= self.spending.committed_usd

    async def cover(self, committed_usd: float, ahead_usd: float) -> None:
        """Return once the disk knows that so much may be spent.

        ahead_usd: what to write down in advance, so that the next calls need not wait.
        Raises StoreError where it cannot be written.
        """
        if self.covers(committed_usd):
            return
        raised = max(self._wanted.committed_usd, committed_usd + ahead_usd)
        self._wanted = replace(self._wanted, committed_usd=raised)
        async with self._turn:
            if not self.covers(committed_usd):
                await self._write_in_thread()

    async def hold(self, name: str, worst_usd: float) -> None:
        """Return once the disk knows of something that outlives the run and may cost so much."""
        self._wanted = replace(self._wanted, held_usd={**self._wanted.held_usd, name: worst_usd})
        async with self._turn:
            await self._write_in_thread()

    async def settle(self, name: str, cost_usd: float) -> None:
        """Return once the disk has what it cost in place of what was held for it."""
        held = {**self._wanted.held_usd}
        del held[name]
        committed = self._wanted.committed_usd + cost_usd
        self._wanted = Spending(committed_usd=committed, held_usd=held)
        async with self._turn:
            await self._write_in_thread()

    def close(self, committed_usd: float) -> None:
        """Write what was really spent: no call is in flight any more."""
        if committed_usd != self.spending.committed_usd:
            self._wanted = replace(self._wanted, committed_usd=committed_usd)
            self._write()

    async def _write_in_thread(self) -> None:
        await asyncio.to_thread(self._write)

    def _write(self) -> None:
        with self._writing:  # a cancelled wait leaves its thread behind, which may come last
            spending = self._wanted
            write_spending(self._folder, spending)
            self.spending = spending
