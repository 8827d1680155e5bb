"""The session's money: a call is sent only while its worst case still fits under the cap.

With a ledger its worst case is on the disk before it leaves, and stays there through a kill.
"""

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime

from config.clock import Clock
from config.errors import CollectionError, StoreError
from models.base_model import BaseModel
from models.catalog.pricing import Sold, worst_case_price
from prompts.prompt_template import Prompt
from runners.calls.spending_ledger import SpendingLedger

_CHARACTERS_PER_TOKEN_AT_LEAST = 2.0  # for the worst case: no tokenizer makes more of usual text
_TOKENS_ROUND_A_PROMPT = 50
_ASCII = bytes(range(128))
_SHARE_AHEAD = 0.25  # of what is in flight: written down ahead, and reserved too much after a kill


def worst_case_usd(
    model: BaseModel, prompt: Prompt, at: datetime, sold: Sold = "live"
) -> float | None:
    """Return the most that one call may cost, None where the price is not known."""
    return worst_case_price(model.config, _most_tokens(prompt), model.max_tokens, at, sold)


def _most_tokens(prompt: Prompt) -> int:
    """Return the most input tokens that a prompt may come to.

    Beside ASCII a token may be as little as one byte of UTF-8, of which a Chinese sign has three.
    """
    encoded = prompt.joined.encode("utf-8", "replace")
    others = len(encoded.translate(None, _ASCII))
    plain = len(encoded) - others
    return int(plain / _CHARACTERS_PER_TOKEN_AT_LEAST) + others + _TOKENS_ROUND_A_PROMPT


class CapReached(CollectionError):
    """The next call may cost more than what is left under the cap, and nothing is being spent."""


class Reservation:
    """The worst case of one call, held back until it is settled."""

    def __init__(self, budget: "Budget", worst_usd: float) -> None:
        self.worst_usd = worst_usd
        self._budget = budget
        self._open = True

    def settle(self, cost_usd: float) -> None:
        """Put what the call cost in place of its worst case; later calls change nothing."""
        if self._open:
            self._open = False
            self._budget.close(self, cost_usd)


class Budget:
    """What a session has spent and may still spend, in US dollars.

    cap_usd: None for no limit. spent_usd: what earlier runs of the session may have spent, and
        what this one has. reserved_usd: the worst case of all calls that are out.
    ledger: keeps it on the disk, None to keep it in memory alone.
    break_off: is told why it could not be written; nothing more is sent then.
    """

    def __init__(
        self,
        cap_usd: float | None,
        spent_usd: float,
        clock: Clock,
        *,
        ledger: SpendingLedger | None = None,
        break_off: Callable[[StoreError], None] | None = None,
    ) -> None:
        self.cap_usd = cap_usd
        self.spent_usd = spent_usd
        self.reserved_usd = 0.0
        self._clock = clock
        self._ledger = ledger
        self._break_off = break_off
        self._open: set[Reservation] = set()
        self._expected: set[str] = set()
        self._waiting: list[float] = []
        self._changed = asyncio.Event()

    @property
    def held_usd(self) -> float:
        """The worst case of what outlives the run."""
        return self._ledger.held_usd if self._ledger else 0.0

    async def reserve(self, worst_usd: float) -> Reservation:
        """Return once the worst case fits, and is on the disk; it counts until it is settled.

        Raises CapReached where it does not fit, nor any other call that waits, and none is out.
        """
        await self._wait_until_it_fits(worst_usd)
        reservation = Reservation(self, worst_usd)
        self._open.add(reservation)
        self.reserved_usd += worst_usd
        try:
            await self._write_down()
        except BaseException:
            reservation.settle(0.0)
            raise
        return reservation

    async def hold(self, name: str, worst_usd: float) -> None:
        """Return once what outlives the run (a batch) fits and is on the disk, until it is settled.

        Raises CapReached as reserve does, StoreError where it cannot be written.
        """
        assert self._ledger, "only a ledger outlives a run"
        await self._wait_until_it_fits(worst_usd)
        await self._ledger.hold(name, worst_usd)

    def expect(self, name: str, *, is_expected: bool = True) -> None:
        """Say whether what is held will be settled in this run: calls without money wait for it."""
        if is_expected:
            self._expected.add(name)
            return
        self._expected.discard(name)
        self._wake_those_who_wait()

    @property
    def expects_money(self) -> bool:
        """Whether anything that holds money back will be settled in this run."""
        return bool(self._open or self._expected)

    @property
    def room_usd(self) -> float:
        """What is neither spent nor reserved under the cap; infinite without one."""
        if self.cap_usd is None:
            return math.inf
        return self.cap_usd - self._committed_usd() - self.held_usd

    async def settle_held(self, name: str, cost_usd: float) -> None:
        """Put what it cost in place of what was held for it, in this run or an earlier one."""
        assert self._ledger, "only a ledger outlives a run"
        self.spent_usd += cost_usd
        await self._ledger.settle(name, cost_usd)
        self.expect(name, is_expected=False)

    async def write_ahead(self) -> None:
        """Let the disk be ahead of what is spent, so that calls seldom wait for it."""
        ahead_usd = self._ahead_usd()
        if self._ledger and not self._ledger.covers(self._committed_usd() + ahead_usd / 2):
            await self._ledger.cover(self._committed_usd() + ahead_usd / 2, ahead_usd / 2)

    def close_ledger(self) -> None:
        """Write what was really spent; raises StoreError where it cannot be written."""
        if self._ledger:
            self._ledger.close(self._committed_usd())

    def close(self, reservation: Reservation, cost_usd: float) -> None:
        """Take a reservation back; called by the reservation itself."""
        self._open.discard(reservation)
        self.reserved_usd = self.reserved_usd - reservation.worst_usd if self._open else 0.0
        self.spent_usd += cost_usd
        self._wake_those_who_wait()

    def worst_case(self, model: BaseModel, prompt: Prompt) -> float:
        """Return the most that one call may cost; 0 where its price is not known."""
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        return worst_case_usd(model, prompt, now) or 0.0

    async def _wait_until_it_fits(self, worst_usd: float) -> None:
        self._waiting.append(worst_usd)
        try:
            while not self._fits(worst_usd):
                if not self.expects_money and not any(map(self._fits, self._waiting)):
                    raise CapReached(self._what_is_left(worst_usd))
                await self.change()
        finally:
            self._waiting.remove(worst_usd)

    async def _write_down(self) -> None:
        """Return once what is out is on the disk; where that fails, once the call is stopped."""
        if self._ledger is None or self._ledger.covers(self._committed_usd()):
            return
        try:
            await self._ledger.cover(self._committed_usd(), self._ahead_usd())
        except StoreError as error:
            if self._break_off is None:
                raise
            self._break_off(error)
            await asyncio.Event().wait()  # the stop of all lanes ends it

    def _committed_usd(self) -> float:
        return self.spent_usd + self.reserved_usd

    def _ahead_usd(self) -> float:
        ahead_usd = _SHARE_AHEAD * self.reserved_usd
        if self.cap_usd is None:
            return ahead_usd
        return max(0.0, min(ahead_usd, self.cap_usd - self._committed_usd() - self.held_usd))

    async def change(self) -> None:
        """Return once money was settled, or is expected no more."""
        changed = self._changed
        await changed.wait()

    def _wake_those_who_wait(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _fits(self, worst_usd: float) -> bool:
        return self.cap_usd is None or worst_usd <= self.room_usd

    def _what_is_left(self, worst_usd: float) -> str:
        return (
            f"--max-cost {self.cap_usd} USD: {self.spent_usd + self.held_usd:.4f} USD are spent or "
            f"reserved, and the next call may cost {worst_usd:.4f} USD"
        )
