"""Several addresses in LOCAL_BASE_URL: even use, one that dies and comes back, none left."""

import asyncio

import pytest

from config.errors import ConfigError, ConnectionLost, Overloaded, Unreachable
from config.local_rows import local_server_row
from models.base_model import BaseModel, make_model
from models.embedded.local_catalog import addresses_in, served_models
from models.wire.replicas import FIRST_PROBE_SECONDS
from prompts.prompt_template import Prompt
from tests.support.nobody_there import nobody_there
from tests.support.provider_server import Answer, ProviderServer
from tests.support.stepped_clock import SteppedClock

PROMPT = Prompt(system="You write Python.", user="Write a function that adds two numbers.")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppedClock:
    clock = SteppedClock()
    monkeypatch.setattr("models.local_model.SystemClock", lambda: clock)
    return clock


def served_at(*addresses: str) -> BaseModel:
    return make_model(local_server_row("llama3.2"), base_url=", ".join(addresses))


async def ask(model: BaseModel, calls: int) -> None:
    """Make so many calls at once, all of which must be answered."""
    await asyncio.gather(*(model.complete(PROMPT) for _ in range(calls)))


async def test_addresses_are_used_evenly(clock: SteppedClock) -> None:
    async with ProviderServer() as one, ProviderServer() as two, ProviderServer() as three:
        async with served_at(*(each.url("local") for each in (one, two, three))) as model:
            await ask(model, 30)
            for _ in range(6):
                await ask(model, 1)
        assert [len(each.requests) for each in (one, two, three)] == [12, 12, 12]


async def test_a_call_that_finds_nobody_goes_to_another_address(clock: SteppedClock) -> None:
    with nobody_there() as dead:
        async with ProviderServer() as server, served_at(dead, server.url("local")) as model:
            await ask(model, 20)
            assert len(server.requests) == 20


async def test_one_that_dies_is_left_out_until_it_is_back(
    clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    first = ProviderServer()
    await first.start(0)
    async with ProviderServer() as second:
        model = served_at(first.url("local"), second.url("local"))
        async with model:
            await ask(model, 10)
            await first.__aexit__(None, None, None)
            await ask(model, 10)
            assert (len(first.requests), len(second.requests)) == (5, 15)
            clock.advance(FIRST_PROBE_SECONDS)
            await ask(model, 10)  # one of them is a probe
            assert len(second.requests) == 25
            await first.start(first.port)
            await ask(model, 10)  # the next probe is not due yet
            assert len(second.requests) == 35
            clock.advance(2 * FIRST_PROBE_SECONDS)
            await ask(model, 1)
            await ask(model, 10)
            assert len(first.requests) > 5 + 1
    await first.__aexit__(None, None, None)
    assert "1 of 2 addresses answer" in caplog.text and "answers again" in caplog.text


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(Answer(ending="reset"), ConnectionLost), (Answer(status=503, body=""), Overloaded)],
)
async def test_what_reached_a_server_is_an_attempt_and_the_next_goes_elsewhere(
    clock: SteppedClock, failure: Answer, kind: type[Exception]
) -> None:
    async with ProviderServer() as one, ProviderServer() as two:
        one.script("local", failure)
        async with served_at(one.url("local"), two.url("local")) as model:
            with pytest.raises(kind) as failed:
                await model.complete(PROMPT)
            assert not isinstance(failed.value, Unreachable)
            await ask(model, 5)
        assert (len(one.requests), len(two.requests)) == (1, 5)


async def test_where_none_answers_a_call_tries_each_once_and_says_so(clock: SteppedClock) -> None:
    with nobody_there() as one, nobody_there() as two:
        async with served_at(one, two) as model:
            for _ in range(3):
                with pytest.raises(Unreachable):
                    await model.complete(PROMPT)


async def test_what_a_list_of_addresses_means() -> None:
    assert addresses_in(" http://a:1/ ,http://b:2/x,,http://a:1/v1 ") == [
        "http://a:1/v1",
        "http://b:2/x",
    ]
    with pytest.raises(ConfigError, match="ftp://b"):
        served_at("http://a:1", "ftp://b")
    with nobody_there() as dead:
        async with ProviderServer(served={"local": ["m1"]}) as server:
            both = f"{dead},{server.url('local')}"
            assert await asyncio.to_thread(served_models, both, "", 10.0) == ["m1"]
