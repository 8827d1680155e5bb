"""The session's money: a call is sent only while its worst case still fits under the cap."""

import asyncio
from datetime import UTC, datetime

from config.clock import Clock
from config.errors import CollectionError
from models.base_model import BaseModel
from models.catalog.pricing import worst_case_price
from prompts.prompt_template import Prompt

_CHARACTERS_PER_TOKEN_AT_LEAST = 2.0  # for the worst case: no tokenizer makes more of usual text
_TOKENS_ROUND_A_PROMPT = 50
_ASCII = bytes(range(128))


def worst_case_usd(model: BaseModel, prompt: Prompt, at: datetime) -> float | None:
    """Return the most that one call may cost, None where the price is not known."""
    return worst_case_price(model.config, _most_tokens(prompt), model.max_tokens, at)


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

    cap_usd: None for no limit. spent_usd: what earlier runs of the session spent.
    """

    def __init__(self, cap_usd: float | None, spent_usd: float, clock: Clock) -> None:
        self.cap_usd = cap_usd
        self.spent_usd = spent_usd
        self._clock = clock
        self._open: set[Reservation] = set()
        self._waiting: list[float] = []
        self._changed = asyncio.Event()

    @property
    def reserved_usd(self) -> float:
        """The worst case of all calls that are out."""
        return sum(reservation.worst_usd for reservation in self._open)

    async def reserve(self, worst_usd: float) -> Reservation:
        """Return once the worst case fits; it counts as spent until it is settled.

        Raises CapReached where it does not fit, nor any other call that waits, and none is out.
        """
        self._waiting.append(worst_usd)
        try:
            while not self._fits(worst_usd):
                if not self._open and not any(map(self._fits, self._waiting)):
                    raise CapReached(self._what_is_left(worst_usd))
                changed = self._changed
                await changed.wait()
        finally:
            self._waiting.remove(worst_usd)
        reservation = Reservation(self, worst_usd)
        self._open.add(reservation)
        return reservation

    def close(self, reservation: Reservation, cost_usd: float) -> None:
        """Take a reservation back; called by the reservation itself."""
        self._open.discard(reservation)
        self.spent_usd += cost_usd
        if self._waiting:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def worst_case(self, model: BaseModel, prompt: Prompt) -> float:
        """Return the most that one call may cost; 0 where there is no cap or no known price."""
        if self.cap_usd is None:
            return 0.0
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        return worst_case_usd(model, prompt, now) or 0.0

    def _fits(self, worst_usd: float) -> bool:
        return (
            self.cap_usd is None or self.spent_usd + self.reserved_usd + worst_usd <= self.cap_usd
        )

    def _what_is_left(self, worst_usd: float) -> str:
        return (
            f"--max-cost {self.cap_usd} USD: {self.spent_usd:.4f} USD are spent, and the next "
            f"call may cost {worst_usd:.4f} USD"
        )
