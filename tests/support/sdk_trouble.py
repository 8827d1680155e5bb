"""What goes wrong on the way to a provider with an SDK, and what must come of it: said once."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from config.errors import ConnectionLost, ModelError, PermanentError, TimedOut
from models.base_model import BaseModel, CallOptions, Completion
from prompts.prompt_template import Prompt
from tests.support.provider_formats import Provider
from tests.support.provider_server import Answer, ProviderServer


@dataclass(frozen=True)
class Bad:
    """A reply, and the error that it stands for."""

    name: str
    answer: Answer
    error: type[ModelError]
    wait_seconds: float | None = None
    words: str = ""


@dataclass(frozen=True)
class SdkProvider:
    """One provider: its name, its key, and how a model for an address is made."""

    name: Provider
    key: str
    prompt: Prompt
    make: Callable[[str, CallOptions | None], BaseModel]

    async def ask(self, server: ProviderServer, options: CallOptions | None = None) -> Completion:
        """Return the reply to one call."""
        async with self.make(server.url(self.name), options) as model:
            return await model.complete(self.prompt)

    async def refused(self, answer: Answer) -> ModelError:
        """Return the error of one call that is answered so; it must be one request."""
        async with ProviderServer() as server:
            server.script(self.name, answer)
            with pytest.raises(ModelError) as caught:
                await self.ask(server)
            assert len(server.requests) == 1, "one attempt is one request"
        return caught.value


async def check_bad_reply(provider: SdkProvider, case: Bad) -> None:
    """The reply is one error of the right kind, on one line, with the wait that it asks for."""
    error = await provider.refused(case.answer)
    assert type(error) is case.error, repr(error)
    assert case.words in str(error)
    assert "\n" not in str(error)
    waits = [signal.retry_after_seconds for signal in error.signals if signal.retry_after_seconds]
    if not isinstance(error, PermanentError):
        assert waits == ([case.wait_seconds] if case.wait_seconds else [])


async def check_client_survives(provider: SdkProvider, cases: list[Bad]) -> None:
    """After each bad reply the same client gets a good one."""
    async with (
        ProviderServer() as server,
        provider.make(server.url(provider.name), None) as model,
    ):
        for case in cases:
            server.script(provider.name, case.answer)
            with pytest.raises(ModelError) as caught:
                await model.complete(provider.prompt)
            assert type(caught.value) is case.error, case.name
            assert "def double" in (await model.complete(provider.prompt)).text


async def check_key_is_not_repeated(provider: SdkProvider, answer: Answer) -> None:
    """A refusal that repeats the key is told without it, in the traceback too."""
    error = await provider.refused(answer)
    assert provider.key[8:20] not in "".join([repr(error), *traceback.format_exception(error)])


async def check_blank_lines(provider: SdkProvider) -> None:
    """Blank lines before a reply do no harm."""
    async with ProviderServer() as server:
        server.script(provider.name, Answer(ending="blank lines"))
        assert (await provider.ask(server)).text


async def check_deadline(provider: SdkProvider) -> None:
    """A reply that drips for ever ends at the deadline."""
    async with ProviderServer() as server:
        server.script(provider.name, Answer(ending="never"))
        with pytest.raises(TimedOut):
            await provider.ask(server, CallOptions(request_timeout_seconds=0.2))


async def check_nobody_there(provider: SdkProvider) -> None:
    """An address where nobody listens is a lost connection."""
    async with ProviderServer() as server:
        gone = server.url(provider.name)
    async with provider.make(gone, None) as model:
        with pytest.raises(ConnectionLost):
            await model.complete(provider.prompt)
