"""Lets every API key's calls be made by a host on a cluster; one that is lost is replaced.

All else stays in this process: lanes, limits, money, and the one writer. So a lost host loses what
was in flight there, and nothing else.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from types import TracebackType
from typing import Self

from config.clock import Clock
from config.errors import ModelError, NoHost, TimedOut
from models.base_model import BaseModel, Completion
from models.local_model import LocalModel
from prompts.prompt_template import Prompt
from runners.cluster.host_link import Actor, HostLink
from runners.collection_runner import rate_scope

logger = logging.getLogger("collector")

_DEATHS_WITHOUT_ANSWER = 3
_SLOW_START_SECONDS = 30.0
_PATIENCE_SECONDS = 60.0  # with a host that does not keep a request's own time


class CallHosts:
    """A Sender whose calls leave from nodes of a cluster.

    new_actor: starts another host. stay_here: models that are asked from this process.
    """

    def __init__(
        self, new_actor: Callable[[], Actor], stay_here: Collection[BaseModel], clock: Clock
    ) -> None:
        self._new_actor = new_actor
        self._stay_here = {id(model): model for model in stay_here}
        self._clock = clock
        self._hosts: dict[str, KeyHost] = {}
        self._tasks = asyncio.TaskGroup()
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for running in self._running:
            running.cancel()
        await self._tasks.__aexit__(kind, error, traceback)

    async def ready(self, model: BaseModel) -> None:
        """Return once the host of the model's key works; raises NoHost where none ever will."""
        if not self._is_asked_from_here(model):
            await self._host(model).link()

    async def send(self, model: BaseModel, prompt: Prompt) -> Completion:
        """Return the reply to one attempt; raises a ModelError."""
        if self._is_asked_from_here(model):
            return await model.complete(prompt)
        link = await self._host(model).link()
        try:
            async with asyncio.timeout(model.request_timeout_seconds + _PATIENCE_SECONDS):
                return _without_keys(await link.send(model, prompt), model)
        except TimeoutError as error:
            raise TimedOut("no whole reply came from the host that made the call") from error
        except ModelError as error:
            raise model.as_model_error(error) from None

    def _is_asked_from_here(self, model: BaseModel) -> bool:
        return runs_here(model) or id(model) in self._stay_here

    def _host(self, model: BaseModel) -> "KeyHost":
        key = rate_scope(model).key
        host = self._hosts.get(key)
        if host is None:
            is_free = model.config.is_free
            host = self._hosts[key] = KeyHost(key, self._new_actor, self._clock, is_free=is_free)
            self._running.append(self._tasks.create_task(host.run()))
        return host


class KeyHost:
    """The hosts of one key, one after the other."""

    def __init__(
        self, name: str, new_actor: Callable[[], Actor], clock: Clock, *, is_free: bool
    ) -> None:
        """is_free: no call of this key is billed."""
        self._name = name
        self._new_actor = new_actor
        self._clock = clock
        self._is_free = is_free
        self._link: HostLink | None = None
        self._changed = asyncio.Event()
        self._closed_by = ""

    async def link(self) -> HostLink:
        """Return the host that works, once there is one; raises NoHost where none ever will."""
        while self._link is None:
            if self._closed_by:
                raise NoHost(self._closed_by)
            changed = self._changed
            await changed.wait()
        return self._link

    async def run(self) -> None:
        """Keep one host alive, until three in a row died without an answer."""
        deaths, reason = 0, ""
        while deaths < _DEATHS_WITHOUT_ANSWER:
            has_answered, reason = await self._serve()
            deaths = 1 if has_answered else deaths + 1
        self._closed_by = (
            f"{_DEATHS_WITHOUT_ANSWER} hosts in a row were lost on the cluster, and none of them "
            f"answered a call: {reason}"
        )
        self._set(None)

    async def _serve(self) -> tuple[bool, str]:
        """Start a host, and return once it is lost: whether it answered a call, and the reason."""
        link = HostLink(self._new_actor(), self._clock, on_start=lambda: self._set(link))
        waiting = asyncio.create_task(self._say_that_it_waits())
        try:
            reason, lost = await link.serve()
        finally:
            waiting.cancel()
            self._set(None)
        self._say_that_it_died(reason, lost)
        return link.answers > 0, reason

    def _set(self, link: HostLink | None) -> None:
        self._link = link
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _say_that_it_waits(self) -> None:
        await self._clock.sleep(_SLOW_START_SECONDS)
        if self._link is None:
            logger.warning(
                "%s: its host has not started: no node of the cluster has room for it, or none "
                "answers; its calls wait",
                self._name,
            )

    def _say_that_it_died(self, reason: str, lost: int) -> None:
        billed = "" if self._is_free else " (possibly billed)"
        calls = f"{lost} calls in flight there{billed} are made again" if lost else "none in flight"
        logger.warning("%s: its host was lost, %s: %s", self._name, calls, reason)


def runs_here(model: BaseModel) -> bool:
    """Tell whether a model works in this process, and asks no server."""
    return isinstance(model, LocalModel) and model.runs_here


def _without_keys(completion: Completion, model: BaseModel) -> Completion:
    """Take the run's other keys out of a reply, too: its host knows but its own."""
    redact, thinking = model.redactor.redact, completion.reasoning_text
    return replace(
        completion,
        text=redact(completion.text),
        reasoning_text=None if thinking is None else redact(thinking),
    )
