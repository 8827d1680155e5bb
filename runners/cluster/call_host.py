"""Makes the calls of one API key on a node of a cluster, each as often as it is told to: once.

It decides nothing. What may leave, and when, the collecting process has decided; without it a host
finishes the calls that it was given, and falls silent.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from config.errors import ModelError
from config.model_config import ModelConfig
from models.base_model import BaseModel, CallOptions, Completion, make_model
from models.wire.client_pool import ClientPool
from prompts.prompt_template import Prompt
from runners.lanes.open_files import calls_that_fit

_GATHER_SECONDS = 0.01  # what comes so close together goes in one message
_MOST_LINES = 1000  # of log that wait to be fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """What it takes to make a model's calls; addresses: as the variable of the user has them."""

    config: ModelConfig
    api_key: str = field(repr=False)
    addresses: str
    options: CallOptions


@dataclass(frozen=True, slots=True)
class Call:
    """One call; number counts up from 1, model is a key of the plans."""

    number: int
    model: int
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a model had to say in the log."""

    level: int
    text: str


Outcome = Completion | ModelError | LogLine


class CallHost:
    """`send` calls, then `take` what came of them; both may be repeated without harm."""

    def __init__(self) -> None:
        self._clients = ClientPool()
        self._models: dict[int, BaseModel] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._highest = 0
        self._lines = 0
        self._news = asyncio.Event()

    @property
    def calls_in_flight(self) -> int:
        """How many calls it makes now."""
        return len(self._running)

    async def send(
        self,
        plans: Mapping[int, ModelPlan],
        calls: Sequence[Call],
        cancelled: Sequence[int],
    ) -> None:
        """Make some calls, and give some others up.

        A call that is here, or was, is not made again: the reply to this may have been lost.
        plans: of models that calls here are the first of.
        """
        for place, plan in plans.items():
            if place not in self._models:
                self._models[place] = self._model(plan)
        for call in calls:
            if call.number > self._highest:
                self._highest = call.number
                self._running[call.number] = asyncio.create_task(self._make(call))
        for number in cancelled:
            if running := self._running.pop(number, None):
                running.cancel()
            self._outcomes.pop(number, None)

    async def take(self, acked: Sequence[int], wait_seconds: float) -> dict[int, Outcome]:
        """Return number -> outcome of all that was not acknowledged, once there is one.

        Lines of log have numbers below 0. acked: what arrived where it is kept.
        """
        for number in acked:
            self._outcomes.pop(number, None)
        if not self._outcomes:
            self._news.clear()
            try:
                async with asyncio.timeout(wait_seconds):
                    await self._news.wait()
                    await asyncio.sleep(_GATHER_SECONDS)
            except TimeoutError:
                pass
        return dict(self._outcomes)

    def say(self, line: LogLine) -> None:
        """Let a line of log be fetched with the outcomes."""
        if self._lines < _MOST_LINES:
            self._lines += 1
            self._put(-self._lines, line)

    async def close(self) -> None:
        """Make no call any more, and close every connection."""
        for running in self._running.values():
            running.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._clients.__aexit__(None, None, None)

    async def _make(self, call: Call) -> None:
        outcome: Outcome
        try:
            outcome = await self._models[call.model].complete(call.prompt)
        except ModelError as error:
            error.__traceback__ = None
            outcome = error
        if self._running.pop(call.number, None):
            self._put(call.number, outcome)

    def _put(self, number: int, outcome: Outcome) -> None:
        self._outcomes[number] = outcome
        self._news.set()

    def _model(self, plan: ModelPlan) -> BaseModel:
        return make_model(
            plan.config,
            api_key=plan.api_key,
            base_url=plan.addresses or None,
            options=plan.options,
            clients=self._clients,
        )


class NodeCallHost(CallHost):
    """A host that has a process to itself: what is logged there goes where the run logs."""

    def __init__(self) -> None:
        super().__init__()
        calls_that_fit()  # a connection each: raises the limit on open files
        logger = logging.getLogger("collector")
        logger.addHandler(_ToHost(self))
        logger.propagate = False


class _ToHost(logging.Handler):
    def __init__(self, host: CallHost) -> None:
        super().__init__(logging.INFO)
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        self._host.say(LogLine(record.levelno, record.getMessage()))
