"""BaseModel.complete is a border: whatever comes up to it leaves as a short ModelError."""

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable

import pytest

from config.errors import BadReply, ConfigError, ModelError, Overloaded, TimedOut
from config.model_config import ModelConfig
from models.base_model import BaseModel, CallOptions, Completion, make_model
from models.wire.client_pool import ClientPool
from tests.support.raw_replies import KEY, WIRES, Wire, connect, good, http, raw_server
from tests.support.wire import PROMPT

CONFIG = ModelConfig(
    name="mine", provider="mine", api_key_env="MINE_API_KEY", model_class="OddModel"
)


class OddModel(BaseModel):
    """A model whose every call ends as the test says."""

    def __init__(self, end: Callable[[], object]) -> None:
        super().__init__(CONFIG, api_key=KEY)
        self.end = end

    async def generate_completion(self, prompt: str) -> str:
        reply = self.end()
        assert isinstance(reply, str), f"no text but {reply!r}"
        return reply


class Unspeakable(Exception):
    """An error that cannot even be told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def throw(error: Exception) -> Callable[[], object]:
    def end() -> object:
        raise error

    return end


def without_end() -> object:
    return without_end()


ENDS: dict[str, Callable[[], object]] = {
    "recursion": without_end,
    "no memory": lambda: bytearray(2**62),
    "digits": lambda: int("9" * 5_000),
    "8 MB of words": throw(ValueError("word " * 1_600_000)),
    "a key of 8 MB": throw(KeyError("k" * 8_000_000)),
    "unspeakable": throw(Unspeakable()),
    "several": throw(ExceptionGroup("many", [ValueError(str(n)) for n in range(1_000)])),
    "lines": throw(ValueError("a\nb\r\n\x00\ud800" * 1_000)),
    "the end of an iterator": throw(StopIteration("x")),
    "nothing": lambda: None,
    "our own, at length": throw(Overloaded("x y " * 10_000)),
    "the key": throw(ValueError(f"{'x' * 280} {KEY} {KEY}")),
    "our own with the key": throw(Overloaded(f"no access with {KEY}")),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_whatever_is_raised_is_a_short_model_error(end: Callable[[], object]) -> None:
    with pytest.raises(ModelError) as caught:
        await OddModel(end).complete(PROMPT)
    text = str(caught.value)
    assert 0 < len(text) <= 300
    assert "\n" not in text and KEY[:14] not in text
    text.encode()
    assert isinstance(caught.value, BadReply | Overloaded)


async def test_cancellation_passes_through_and_a_deadline_is_one() -> None:
    class Slow(BaseModel):
        async def generate_completion(self, prompt: str) -> str:
            await asyncio.sleep(3600)
            return ""

    task = asyncio.create_task(Slow(CONFIG).complete(PROMPT))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimedOut):
        await Slow(CONFIG, options=CallOptions(request_timeout_seconds=0.01)).complete(PROMPT)


async def test_an_error_does_not_hold_on_to_its_reply() -> None:
    class Body:
        """Stands for 8 MB."""

    held: list[weakref.ref[Body]] = []

    def end() -> object:
        body = Body()
        held.append(weakref.ref(body))
        raise ValueError("no JSON") from KeyError(body)

    with pytest.raises(ModelError) as caught:
        await OddModel(end).complete(PROMPT)
    assert str(caught.value)
    gc.collect()
    assert held[0]() is None


async def test_names_that_a_reply_gives_are_cut() -> None:
    class Named(BaseModel):
        async def generate_completion(self, prompt: str) -> Completion:
            return Completion(
                text=KEY, served_model="m" * 10_000, request_id=f"{KEY}{'i' * 10_000}"
            )

    completion = await Named(CONFIG, api_key=KEY).complete(PROMPT)
    assert completion.text == "[key]"
    assert completion.served_model == "m" * 200
    assert completion.request_id == f"[key]{'i' * 195}"


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire != "guide"])
async def test_limits_that_cannot_be_meant_are_told_once(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    odd = {"x-ratelimit-limit-requests": "0.0001", "retry-after": "99999999999"}
    replies = [http(good(wire), headers=odd), http({"error": "slow"}, "429 Slow", odd)]
    caplog.set_level(logging.WARNING)
    async with raw_server(*replies) as server, ClientPool() as clients:
        model = connect(wire, server.url, clients)
        completion = await model.complete(PROMPT)
        with pytest.raises(ModelError) as caught:
            await model.complete(PROMPT)
    assert [*completion.signals, *caught.value.signals] == []
    assert [record.getMessage() for record in caplog.records] == [
        "some-model: ignoring limits that cannot be right, such as a limit of 0.0001 requests"
    ]


def test_a_class_that_is_no_model_is_a_configuration_error() -> None:
    wrong = ModelConfig(name="x", provider="x", api_key_env="", model_class="ChatUsage")
    with pytest.raises(ConfigError, match="ChatUsage is not a BaseModel"):
        make_model(wrong)
