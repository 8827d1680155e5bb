"""Hosts of a cluster make the calls: none twice, none lost unsaid, with no key but its own."""

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from config import errors
from config.clock import SystemClock
from config.errors import AuthFailed, HostLost, ModelError, NoHost, Overloaded
from config.model_configs import MODEL_CONFIGS
from config.rate_signal import RateSignal
from models.base_model import BaseModel, CallOptions, Completion
from models.wire.client_pool import ClientPool
from runners.calls import reliable_call
from runners.calls.budget import Budget
from runners.calls.reliable_call import ReliableCaller
from runners.calls.retry_policy import RetryPolicy
from runners.cluster.call_host import CallHost
from runners.cluster.call_hosts import CallHosts
from runners.cluster.host_link import plan_of
from runners.cluster.remote_errors import NodeLost, NodeUnavailable
from runners.collection_runner import rate_scope
from runners.lanes.lane import Lane
from runners.lanes.model_tasks import ModelTasks
from runners.rate_limiter import AdaptiveRateLimiter
from tests.support.provider_formats import Json
from tests.support.provider_server import Answer
from tests.support.stepped_clock import SteppedClock, until
from tests.support.watched_server import WatchedServer
from tests.support.wire import PROMPT, connect, key_of

ANOTHER_KEY = "0123abcd" * 5


class Node:
    """A host whose node can be killed, and whose network can be cut."""

    def __init__(self) -> None:
        self.host = CallHost()
        self.is_cut = asyncio.Event()
        self.loses_reply_to = ""
        self._killed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def call(self, method: str, *arguments: object) -> object:
        """Do as a remote object does: what goes there and comes back are bytes."""
        if self.is_cut.is_set():
            raise NodeUnavailable("no network")
        there = pickle.loads(pickle.dumps(arguments))
        work = asyncio.ensure_future(getattr(self.host, method)(*there))
        cut = asyncio.ensure_future(self.is_cut.wait())
        await asyncio.wait((work, cut, self._killed), return_when=asyncio.FIRST_COMPLETED)
        cut.cancel()
        if self._killed.done():
            raise NodeLost("it was killed")
        if self.is_cut.is_set():
            raise NodeUnavailable("no network")
        result = work.result()
        if method == self.loses_reply_to and (result or method == "send"):
            self.loses_reply_to = ""
            raise NodeUnavailable("the reply was lost")
        return pickle.loads(pickle.dumps(result))

    def kill(self) -> None:
        """Let it be lost for this process; what the host has begun goes on, as on a frozen node."""
        self._killed.set_result(None)

    def end(self) -> None:
        """Its process would end here."""


class Cluster:
    """Every host has a node of its own in this process."""

    def __init__(self, server: WatchedServer, clients: ClientPool) -> None:
        self.server = server
        self.clock = SteppedClock()
        self.nodes: list[Node] = []
        options = CallOptions(secrets=frozenset({key_of("xai"), ANOTHER_KEY}))
        grok = next(row for row in MODEL_CONFIGS if row.api_id == "grok-4.3")
        self.model: BaseModel = connect(server, grok, clients, options)
        self.hosts = CallHosts(self._new_node, [], self.clock)

    def _new_node(self) -> Node:
        self.nodes.append(Node())
        return self.nodes[-1]

    def ask(self) -> asyncio.Task[Completion]:
        return asyncio.create_task(self.hosts.send(self.model, PROMPT))


async def in_time(cluster: Cluster, asked: asyncio.Task[Completion]) -> Completion:
    """Return the answer; time goes on until it is there."""

    def it_came() -> bool:
        cluster.clock.advance(1)
        return asked.done()

    await until(it_came)
    return await asked


@asynccontextmanager
async def open_cluster() -> AsyncIterator[Cluster]:
    async with WatchedServer() as server, ClientPool() as clients:
        cluster = Cluster(server, clients)
        async with cluster.hosts:
            yield cluster
        server.open.set()
        for node in cluster.nodes:
            await node.host.close()


async def test_a_call_is_made_once_where_its_host_took_it_and_could_not_say_so() -> None:
    async with open_cluster() as cluster:
        await cluster.hosts.ready(cluster.model)
        cluster.nodes[0].loses_reply_to = "send"
        assert (await cluster.ask()).text  # outcomes come another way
        await until(lambda: cluster.nodes[0].loses_reply_to == "")
        assert (await in_time(cluster, cluster.ask())).text  # now the message is sent again
        assert cluster.server.given_in_all == 2 and len(cluster.nodes) == 1


async def test_an_answer_that_gets_lost_on_its_way_is_said_again() -> None:
    async with open_cluster() as cluster:
        await cluster.hosts.ready(cluster.model)
        cluster.nodes[0].loses_reply_to = "take"
        asked = cluster.ask()
        await until(lambda: cluster.nodes[0].loses_reply_to == "")
        assert (await in_time(cluster, asked)).text
        assert cluster.server.given_in_all == 1 and len(cluster.nodes) == 1


async def test_a_host_that_cannot_be_reached_is_asked_again_and_no_other_is_started() -> None:
    async with open_cluster() as cluster:
        cluster.server.open.clear()
        asked = cluster.ask()
        await cluster.server.holds(1)
        cluster.nodes[0].is_cut.set()
        cluster.server.open.set()
        await cluster.server.has_given(1)
        cluster.clock.advance(60)
        cluster.nodes[0].is_cut.clear()
        assert (await in_time(cluster, asked)).text
        assert cluster.server.given_in_all == 1 and len(cluster.nodes) == 1


async def test_what_was_in_flight_on_a_lost_host_is_said_and_the_next_call_has_another_host() -> (
    None
):
    async with open_cluster() as cluster:
        cluster.server.open.clear()
        asked = [cluster.ask() for _ in range(3)]
        await cluster.server.holds(3)
        cluster.nodes[0].kill()
        for call in asked:
            with pytest.raises(HostLost, match="it was killed"):
                await call
        again = cluster.ask()
        await cluster.server.holds(4)
        cluster.server.open.set()  # the lost host gets its answers, to which nobody listens
        assert (await again).text
        assert cluster.server.given_in_all == 4 and len(cluster.nodes) == 2


async def test_a_call_lost_with_its_host_is_paid_for_and_made_again() -> None:
    async with open_cluster() as cluster:
        clock = SystemClock()
        limiter = AdaptiveRateLimiter(clock)
        budget, policy = Budget(1.0, 0.0, clock), RetryPolicy(max_attempts=1)
        caller = ReliableCaller(limiter, budget, policy, clock, Random(1), cluster.hosts)
        scope = rate_scope(cluster.model)
        lane = Lane(model=cluster.model, scope=scope, tasks=ModelTasks((), 1), clock=clock)
        limiter.register(scope, slots=1)
        cluster.server.open.clear()
        asked = asyncio.create_task(caller.call(lane, PROMPT, "a task"))
        await cluster.server.holds(1)
        cluster.nodes[0].kill()
        await cluster.server.holds(2)
        cluster.server.open.set()
        answer = await asked
        assert isinstance(answer, reliable_call.Answer)
        assert [attempt.error for attempt in answer.attempts] == ["HostLost", None]
        worst_usd = budget.worst_case(cluster.model, PROMPT)
        assert worst_usd > 0
        assert budget.spent_usd == pytest.approx(worst_usd + (answer.cost_usd or 0))


async def test_a_call_that_nobody_waits_for_ends_on_its_host_too() -> None:
    async with open_cluster() as cluster:
        cluster.server.hold = frozenset({"xai"})
        asked = cluster.ask()
        await cluster.server.has_got(1)
        asked.cancel()
        host = cluster.nodes[0].host
        await until(lambda: not host.calls_in_flight)
        cluster.server.hold = frozenset()
        assert (await cluster.ask()).text


async def test_a_host_that_does_not_start_is_said_and_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_cluster() as cluster:
        asked = cluster.ask()
        await until(lambda: len(cluster.nodes) == 1)
        cluster.nodes[0].is_cut.set()
        await asyncio.sleep(0)
        await until(lambda: _said(cluster, caplog, "xai@") != "")
        assert "its host has not started" in _said(cluster, caplog, "xai@")
        cluster.nodes[0].is_cut.clear()
        assert (await in_time(cluster, asked)).text


def _said(cluster: Cluster, caplog: pytest.LogCaptureFixture, words: str) -> str:
    cluster.clock.advance(10)
    return next((text for text in caplog.messages if words in text), "")


async def test_each_key_has_a_host_of_its_own() -> None:
    async with open_cluster() as cluster:
        other = copy.copy(cluster.model)
        other.api_key = "another-key-of-the-same-provider"
        assert (await cluster.ask()).text and (await cluster.ask()).text
        assert (await cluster.hosts.send(other, PROMPT)).text
        sent = [request.headers["Authorization"] for request in cluster.server.requests]
        assert sent == [f"Bearer {key}" for key in (*[key_of("xai")] * 2, other.api_key)]
        assert len(cluster.nodes) == 2


async def test_three_hosts_that_answer_nothing_close_the_lane_with_the_reason() -> None:
    async with open_cluster() as cluster:
        assert (await cluster.ask()).text  # of the first host: so its death is the first of three
        for count in (1, 2, 3):
            await cluster.hosts.ready(cluster.model)
            cluster.nodes[count - 1].kill()
            await until(lambda: len(cluster.nodes) == min(count + 1, 3))  # noqa: B023
        with pytest.raises(NoHost, match=r"3 hosts in a row .*: it was killed"):
            while True:
                await cluster.hosts.ready(cluster.model)
                await asyncio.sleep(0)


async def test_an_error_arrives_as_it_was_raised_there() -> None:
    async with open_cluster() as cluster:
        headers = {"Retry-After": "7"}
        cluster.server.script("xai", Answer(status=503, body="busy", headers=headers))
        with pytest.raises(Overloaded) as caught:
            await cluster.ask()
        assert caught.value.status == 503
        assert [signal.retry_after_seconds for signal in caught.value.signals] == [7]


def kinds(kind: type[ModelError] = ModelError) -> Iterator[type[ModelError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_every_error_can_travel(kind: type[ModelError]) -> None:
    error = kind("why", status=418, signals=(RateSignal(limit_per_minute=3),), request_id="r")
    error.usage_note = "odd"
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is kind and there.args == ("why",)
    assert vars(there) == vars(error)
    assert hasattr(errors, kind.__name__)


async def test_a_host_has_its_own_key_alone_and_says_it_nowhere() -> None:
    async with open_cluster() as cluster:
        plan = plan_of(cluster.model)
        assert ANOTHER_KEY.encode() not in pickle.dumps(plan)
        assert key_of("xai").encode() in pickle.dumps(plan)
        assert key_of("xai") not in repr(plan)


async def test_no_reply_repeats_a_key_that_its_host_does_not_know() -> None:
    async with open_cluster() as cluster:
        message: dict[str, Json] = {"content": f"# {ANOTHER_KEY}"}
        choice: dict[str, Json] = {"message": message, "finish_reason": "stop"}
        cluster.server.script("xai", Answer(body={"choices": [choice]}))
        wrong: dict[str, Json] = {"message": f"no {ANOTHER_KEY}"}
        cluster.server.script("xai", Answer(status=401, body={"error": wrong}))
        assert (await cluster.ask()).text == "# [key]"
        with pytest.raises(AuthFailed) as caught:
            await cluster.ask()
        assert "no [key]" in str(caught.value)
