"""One host as the collecting process sees it, from its start to its death: calls go, replies come.

Whatever the host says after its death was noticed is not listened to.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from config.clock import Clock
from config.errors import HostLost
from models.base_model import BaseModel, Completion
from prompts.prompt_template import Prompt
from runners.cluster.call_host import Call, LogLine, ModelPlan, Outcome
from runners.cluster.remote_errors import NodeLost, NodeUnavailable

logger = logging.getLogger("collector")

_POLL_SECONDS = 10.0
_AGAIN_SECONDS = 0.5
_MOST_AT_ONCE = 500  # calls in one message


class Actor(Protocol):
    """An object on a node; call raises NodeLost where the node gave nothing."""

    async def call(self, method: str, *arguments: object) -> object: ...

    def end(self) -> None: ...


class HostLink:
    """Sends calls to one host until it is lost; then it is of no use any more.

    answers: how many calls it answered. on_start: is told once it works.
    """

    def __init__(self, actor: Actor, clock: Clock, on_start: Callable[[], None]) -> None:
        self.answers = 0
        self._actor = actor
        self._clock = clock
        self._on_start = on_start
        self._places: dict[int, int] = {}  # id of a model -> its number here
        self._models: list[BaseModel] = []  # ids stay taken
        self._plans: dict[int, ModelPlan] = {}  # that the host does not have yet
        self._pending: dict[int, asyncio.Future[Completion]] = {}
        self._unsent: dict[int, Call] = {}
        self._cancelled: list[int] = []
        self._wanted = asyncio.Event()
        self._last = 0
        self._lines = 0

    async def serve(self) -> tuple[str, int]:
        """Return why the host was lost, and how many calls with it."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._deliver())
                group.create_task(self._fetch())
        except* NodeLost as errors:
            reason = str(errors.exceptions[0])
        finally:
            self._actor.end()
        return reason, self._lose_all(reason)

    async def send(self, model: BaseModel, prompt: Prompt) -> Completion:
        """Return the reply to one call; raises HostLost where the host is lost before."""
        self._last += 1
        number = self._last
        reply: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._pending[number] = reply
        self._unsent[number] = Call(number, self._place(model), prompt)
        self._wanted.set()
        try:
            return await reply
        finally:
            if self._pending.pop(number, None) and not self._unsent.pop(number, None):
                self._cancelled.append(number)  # nobody waits for it any more
                self._wanted.set()

    async def _deliver(self) -> None:
        """Send what is to be sent, one message after the other, each until it has arrived."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            calls = [self._unsent.pop(number) for number in [*self._unsent][:_MOST_AT_ONCE]]
            cancelled, self._cancelled = self._cancelled, []
            plans, self._plans = self._plans, {}
            await self._call("send", plans, calls, cancelled)
            if self._unsent:
                self._wanted.set()

    async def _fetch(self) -> None:
        """Take outcomes as they come; what is not acknowledged is sent again."""
        await self._call("take", [], 0.0)
        self._on_start()
        acked: list[int] = []
        while True:
            outcomes = await self._call("take", acked, _POLL_SECONDS)
            assert isinstance(outcomes, dict)
            for number, outcome in outcomes.items():
                self._settle(number, outcome)
            acked = list(outcomes)

    async def _call(self, method: str, *arguments: object) -> object:
        """Return what a method gave, asked again for as long as the host may be alive."""
        while True:
            try:
                return await self._actor.call(method, *arguments)
            except NodeUnavailable:
                await self._clock.sleep(_AGAIN_SECONDS)

    def _settle(self, number: int, outcome: Outcome) -> None:
        if isinstance(outcome, LogLine):
            if -number > self._lines:
                self._lines = -number
                logger.log(outcome.level, "%s", outcome.text)
            return
        reply = self._pending.pop(number, None)
        if reply is None or reply.done():  # said again, or nobody waits for it
            return
        if isinstance(outcome, Completion):
            self.answers += 1
            reply.set_result(outcome)
        else:
            reply.set_exception(outcome)

    def _lose_all(self, reason: str) -> int:
        lost = [reply for reply in self._pending.values() if not reply.done()]
        self._pending.clear()
        self._unsent.clear()
        for reply in lost:
            reply.set_exception(HostLost(f"the host that made the call was lost: {reason}"))
        return len(lost)

    def _place(self, model: BaseModel) -> int:
        """Return a model's number; the host is told of it with its first call."""
        place = self._places.get(id(model))
        if place is None:
            place = self._places[id(model)] = len(self._models)
            self._models.append(model)
            self._plans[place] = plan_of(model)
        return place


def plan_of(model: BaseModel) -> ModelPlan:
    """Return what a host needs to make a model's calls: of the run's keys, that one alone."""
    return ModelPlan(
        config=model.config,
        api_key=model.api_key,
        addresses=",".join(each.base_url for each in model.at_each_address()),
        options=replace(model.options, secrets=frozenset()),
    )
