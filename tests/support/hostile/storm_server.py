"""The loopback server of a fault storm, some of whose replies are hostile to the last byte."""

import asyncio
import contextlib
from collections.abc import Sequence
from random import Random

from aiohttp import web

from tests.support.hostile.kinds import Hostile, Wire, read_call
from tests.support.hostile.socket_server import play
from tests.support.provider_formats import Provider
from tests.support.provider_server import Answer
from tests.support.watched_server import WatchedServer


class StormServer(WatchedServer):
    """A WatchedServer that leaves aiohttp aside for hostile replies: they go to the socket.

    hostile_sent: how many those were.
    """

    def __init__(
        self,
        kinds: Sequence[Hostile],
        hostile_rate: float,
        *,
        fault_rate: float,
        chance: Random,
        extra_faults: tuple[Answer, ...],
        forgiven: float,
    ) -> None:
        """hostile_rate: the share of calls that get one of these kinds, each equally often."""
        super().__init__(
            fault_rate=fault_rate,
            chance=chance,
            keeps_requests=False,
            extra_faults=extra_faults,
            forgiven=forgiven,
        )
        self.hostile_sent = 0
        self._kinds = kinds
        self._hostile_rate = hostile_rate
        self._hostile_dice = Random(chance.random())
        self._hostile_deck: list[Hostile] = []

    async def _answer_call(self, provider: Provider, request: web.Request) -> web.StreamResponse:
        if self._hostile_dice.random() >= self._hostile_rate:
            return await super()._answer_call(provider, request)
        content = await request.read()
        call = read_call(Wire(provider, "", "", request.path), content)
        if not self._hostile_deck:
            self._hostile_deck = self._hostile_dice.sample(self._kinds, len(self._kinds))
        kind = self._hostile_deck.pop()
        self.arrived += 1
        self.hostile_sent += 1
        if kind.text:
            self.given[call.wire.label, call.task_id] += 1
        self._notify()
        transport = request.transport
        if transport is not None:
            writer = asyncio.StreamWriter(
                transport, request.protocol, None, asyncio.get_running_loop()
            )
            with contextlib.suppress(OSError):
                await play(kind, call, writer)
            transport.close()
        return web.Response()
