"""The loopback server with a gate in front and a ledger of the answers that it gave away."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Mapping

from aiohttp import web

from tests.support.program import Program
from tests.support.provider_formats import Provider
from tests.support.provider_server import Answer, ProviderServer, Request

_TASK = re.compile(r"the (\S+) of all")  # as tests.support.datasets words every problem

_PATIENCE_SECONDS = 120.0  # a test that waits in vain fails, and does not hang


class WatchedServer(ProviderServer):
    """A ProviderServer that can hold calls back, and knows who was answered how often.

    arrived: how many calls came in. open: cleared, it holds back every answer.
    hold: providers whose calls are never answered.
    given: (model, task_id) -> good answers that went out: what a provider would bill.
    """

    def __init__(
        self,
        *,
        fault_rate: float = 0.0,
        chance: random.Random | None = None,
        keeps_requests: bool = True,
        extra_faults: tuple[Answer, ...] = (),
        forgiven: float = 0.0,
        latency_seconds: float = 0.0,
    ) -> None:
        """extra_faults: kinds of fault besides the usual, a tenth of all faults.

        forgiven: the share of refused rates that become good answers: they slow a storm down.
        """
        super().__init__(fault_rate=fault_rate, chance=chance, latency_seconds=latency_seconds)
        self.arrived = 0
        self.open = asyncio.Event()
        self.open.set()
        self.hold: frozenset[Provider] = frozenset()
        self.given: Counter[tuple[str, str]] = Counter()
        self._dice = chance or random.Random(0)
        self._rate = fault_rate
        self._extra_faults = extra_faults
        self._forgiven = forgiven
        self._held = 0
        self._keeps_requests = keeps_requests
        self._changed = asyncio.Event()

    @property
    def held(self) -> int:
        """How many calls wait for their answers."""
        return self._held

    @property
    def given_in_all(self) -> int:
        return sum(self.given.values())

    async def holds(self, calls: int) -> None:
        """Return once so many calls wait at the closed gate."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while self._held < calls:
                await self._next_change()

    async def has_got(self, calls: int) -> None:
        """Return once so many calls came in."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while self.arrived < calls:
                await self._next_change()

    async def has_given(self, answers: int) -> None:
        """Return once so many good answers went out."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while self.given_in_all < answers:
                await self._next_change()

    async def has_given_or_ended(self, answers: int, program: Program) -> None:
        """Return once so many good answers went out, or the program that asks has ended."""
        async with asyncio.TaskGroup() as group:
            end = group.create_task(program.ended())
            enough = group.create_task(self.has_given(answers))
            await asyncio.wait((end, enough), return_when=asyncio.FIRST_COMPLETED)
            end.cancel()
            enough.cancel()

    async def _answer_call(self, provider: Provider, request: web.Request) -> web.StreamResponse:
        self.arrived += 1
        self._held += 1
        self._notify()
        try:
            await self.open.wait()
        finally:
            self._held -= 1
        if provider in self.hold:
            await asyncio.Event().wait()
        return await super()._answer_call(provider, request)

    def _next_answer(self, call: Request) -> Answer:
        if not self._keeps_requests:
            self.requests.clear()
        if self._extra_faults and self._dice.random() < self._rate / 10:
            return self._dice.choice(self._extra_faults)
        answer = super()._next_answer(call)
        if answer.status == 429 and self._dice.random() < self._forgiven:
            answer = Answer()
        if answer.body is None and answer.ending in ("whole", "blank lines"):
            self.given[call.model, task_of(call.body)] += 1
            self._notify()
        return answer

    async def _next_change(self) -> None:
        changed = self._changed
        await changed.wait()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def task_of(body: Mapping[str, object]) -> str:
    """Return the task that a call is about."""
    found = _TASK.search(str(body))
    return found[1] if found else ""
