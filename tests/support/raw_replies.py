"""A socket server that answers byte for byte as a test says, and models of each wire format."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

import aiohttp

from config.model_config import ModelConfig, ParameterValue
from models.base_model import BaseModel, CallOptions, make_model
from models.wire.client_pool import ClientPool
from tests.support.provider_formats import FORMATS, Json, Provider, responses_answer

Send: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]
RawReply: TypeAlias = bytes | Send
Wire = Literal["chat", "openai", "responses", "anthropic", "google", "guide"]

WIRES: tuple[Wire, ...] = ("chat", "openai", "responses", "anthropic", "google", "guide")
KEY = "wire-key-0123456789abcdefABCDEF"
_PROVIDERS: Mapping[Wire, Provider] = {
    "chat": "xai",
    "openai": "openai",
    "responses": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "guide": "local",
}
_CLASSES: Mapping[Wire, str] = {
    "chat": "XAIModel",
    "openai": "OpenAIModel",
    "responses": "OpenAIModel",
    "anthropic": "AnthropicModel",
    "google": "GoogleModel",
}


class RawServer:
    """Gives each request the next of its replies; connections stay open after whole ones.

    asked, answered: how many requests came whole, and how many replies were sent to their end.
    """

    def __init__(self, replies: list[RawReply]) -> None:
        self.replies = replies
        self.asked = 0
        self.answered = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _read_request(reader):
                reply = self.replies[min(self.asked, len(self.replies) - 1)]
                self.asked += 1
                if callable(reply):
                    await reply(writer)
                else:
                    writer.write(reply)
                await writer.drain()
                self.answered += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(*replies: RawReply) -> AsyncIterator[RawServer]:
    """Yield a server on 127.0.0.1 that gives its replies in turn, the last one for ever."""
    server = RawServer(list(replies))
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def http(
    body: "bytes | Json", status: str = "200 OK", headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a whole HTTP reply."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(payload)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("utf-8", "surrogateescape") + payload


def good(wire: Wire, text: str = "def add", usage: Json = None) -> dict[str, Json]:
    """Return the body of a good answer; usage in the wire format's own words, where it is given."""
    request: dict[str, Json] = {"model": "some-model"}
    if wire == "responses":
        body: Json = responses_answer("some-model", request, text)
    else:
        provider = FORMATS[_PROVIDERS[wire]]
        body = provider.good("some-model", "/chat/completions", request, text)
    assert isinstance(body, dict)
    if usage is not None:
        body["usageMetadata" if wire == "google" else "usage"] = usage
    return body


def counted(wire: Wire, input_tokens: Json, output_tokens: Json) -> Json:
    """Return these counts in the wire format's own words."""
    if wire == "google":
        return {"promptTokenCount": input_tokens, "candidatesTokenCount": output_tokens}
    if wire in ("responses", "anthropic"):
        return {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}


def connect(
    wire: Wire, url: str, clients: ClientPool, options: CallOptions | None = None
) -> BaseModel:
    """Return a model of this wire format at a server's address."""
    params: dict[str, ParameterValue] = {"model_name": "some-model"}
    if wire == "responses":
        params["endpoint"] = "responses"
    config = ModelConfig(
        name=f"{wire}_model",
        provider=_PROVIDERS[wire],
        api_key_env="WIRE_API_KEY",
        model_class=_CLASSES.get(wire, "GuideModel"),
        model_params=params,
    )
    if wire == "guide":
        return GuideModel(config, api_key=KEY, base_url=url, options=options, clients=clients)
    return make_model(config, api_key=KEY, base_url=url, options=options, clients=clients)


class GuideModel(BaseModel):
    """A model as the guide's example writes one: a session of its own for each call."""

    async def generate_completion(self, prompt: str) -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.base_url, json={"prompt": prompt}) as response,
        ):
            result = await response.json()
            text: str = result["choices"][0]["message"]["content"]
            return text


async def _read_request(reader: asyncio.StreamReader) -> bool:
    """Return whether a whole request came, False where the connection ended instead."""
    length = 0
    while line := await reader.readline():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        if line == b"\r\n":
            await reader.readexactly(length)
            return True
    return False
