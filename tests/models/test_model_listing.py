"""What providers list as served, and what to use instead of the rest."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from config.errors import (
    AuthFailed,
    BadReply,
    ConfigError,
    ConnectionLost,
    LaneClosed,
    ModelError,
    RateLimited,
    TimedOut,
)
from config.model_config import ModelConfig
from config.model_configs import select_models
from models.base_model import BaseModel, CallOptions, make_model
from models.catalog import model_listing
from models.catalog.model_listing import listed_models, use_instead
from models.wire.client_pool import ClientPool
from tests.support.nobody_there import nobody_there
from tests.support.provider_formats import PREFIXES, Json, Provider
from tests.support.provider_server import ProviderServer
from tests.support.raw_replies import http, raw_server

KEY = "secret-key-0123456789"
ROWS: dict[Provider, str] = {
    "openai": "gpt-4o",
    "anthropic": "claude-haiku-4-5",
    "google": "gemini-3.8-flash",
    "xai": "grok-4.7",
    "together": "muse-glimmer-30b",
    "huggingface": "llama-3.3-70b-instruct-hf",
    "deepseek": "deepseek-flash",
    "local": "local:llama3.2",
}


class ListServer:
    """Answers each GET with the next of its replies, and keeps what it was sent."""

    def __init__(self, *replies: Json, status: int = 200) -> None:
        self.replies = list(replies)
        self.status = status
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.path, dict(request.query), headers))
        reply = self.replies.pop(0)
        if isinstance(reply, str):
            return web.Response(text=reply, status=self.status, headers={"Location": "/other"})
        return web.json_response(reply, status=self.status)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/base"
        finally:
            await runner.cleanup()


def connect(
    provider: Provider, base_url: str, clients: ClientPool, options: CallOptions | None = None
) -> BaseModel:
    config = select_models([ROWS[provider]])[0]
    if provider == "local":  # whatever else LocalModel can do, a server is spoken to like this
        config = replace(config, model_class="ChatCompletionsModel")
    return make_model(config, api_key=KEY, base_url=base_url, options=options, clients=clients)


async def listed(server: ListServer, provider: Provider) -> frozenset[str]:
    async with server.serve() as url, ClientPool() as clients:
        return (await listed_models(connect(provider, url, clients))).names


@pytest.mark.parametrize("provider", list(PREFIXES))
async def test_every_provider_lists_its_models(provider: Provider) -> None:
    async with ProviderServer(served={provider: ["one", "two"]}) as server, ClientPool() as clients:
        model = connect(provider, server.url(provider), clients)
        assert (await listed_models(model)).names == {"one", "two"}


@pytest.mark.parametrize("provider", ["openai", "xai", "huggingface", "deepseek", "local"])
async def test_the_openai_shape(provider: Provider) -> None:
    server = ListServer({"object": "list", "data": [{"id": "a", "owned_by": "x"}, {"id": "b"}]})
    assert await listed(server, provider) == {"a", "b"}
    [(path, query, headers)] = server.requests
    assert (path, query) == ("/base/models", {})
    assert headers["authorization"] == f"Bearer {KEY}"


async def test_openai_gets_its_organization_and_nobody_else_does() -> None:
    options = CallOptions(openai_organization="org-1", openai_project="proj-1")
    sent = {}
    for provider in ("openai", "xai"):
        server = ListServer({"data": []})
        async with server.serve() as url, ClientPool() as clients:
            await listed_models(connect(provider, url, clients, options))
        [(_, _, headers)] = server.requests
        names = ("openai-organization", "openai-project")
        sent[provider] = [headers.get(name) for name in names]
    assert sent == {"openai": ["org-1", "proj-1"], "xai": [None, None]}


async def test_together_lists_without_a_wrapping() -> None:
    assert await listed(ListServer([{"id": "a/b", "type": "chat"}]), "together") == {"a/b"}


async def test_xai_lists_aliases() -> None:
    server = ListServer({"data": [{"id": "grok-9", "aliases": ["grok-latest"]}]})
    assert await listed(server, "xai") == {"grok-9", "grok-latest"}


async def test_ollama_calls_its_models_latest() -> None:
    server = ListServer({"data": [{"id": "llama3.2:latest"}, {"id": "qwen2.5:7b"}]})
    assert await listed(server, "local") == {"llama3.2:latest", "llama3.2", "qwen2.5:7b"}


@pytest.mark.parametrize(
    ("more", "takes_any_name"),
    [
        ({"owned_by": "llamacpp"}, True),
        ({"owned_by": "llamacpp", "status": {"value": "loaded"}}, False),  # one of several
        ({"owned_by": "library"}, False),
    ],
)
async def test_llama_cpp_with_one_model_takes_any_name(more: Json, takes_any_name: bool) -> None:
    assert isinstance(more, dict)
    server = ListServer({"data": [{"id": "model.gguf", **more}]})
    async with server.serve() as url, ClientPool() as clients:
        listing = await listed_models(connect("local", url, clients))
    assert listing.takes_any_name == takes_any_name


async def test_the_router_lists_a_model_by_its_live_hosts() -> None:
    hosts: Json = [
        {"provider": "groq", "status": "live", "context_length": 1},
        {"provider": "novita", "status": "error"},
    ]
    gone: Json = [{"provider": "novita", "status": "error"}]
    data: Json = [{"id": "a/b", "providers": hosts}, {"id": "c/d", "providers": gone}]
    names = {"a/b", "a/b:groq", "a/b:fastest", "a/b:cheapest", "a/b:preferred"}
    assert await listed(ListServer({"data": data}), "huggingface") == names


async def test_anthropic_pages_and_lifecycles() -> None:
    first: Json = {
        "data": [
            {"id": "claude-haiku-4-5-20251001", "type": "model", "lifecycle": "active"},
            {"id": "claude-3-opus-20240229", "type": "model", "lifecycle": "retired"},
        ],
        "has_more": True,
        "last_id": "claude-3-opus-20240229",
    }
    last: Json = {"data": [{"id": "claude-opus-5-5"}], "has_more": False, "last_id": None}
    server = ListServer(first, last)
    names = {"claude-haiku-4-5-20251001", "claude-haiku-4-5", "claude-opus-5-5"}
    assert await listed(server, "anthropic") == names
    assert [path for path, _, _ in server.requests] == ["/base/v1/models"] * 2
    assert [query.get("after_id") for _, query, _ in server.requests] == [
        None,
        "claude-3-opus-20240229",
    ]
    for _, _, headers in server.requests:
        assert headers["x-api-key"] == KEY
        assert headers["anthropic-version"]
        assert "authorization" not in headers


async def test_google_pages_and_methods() -> None:
    first: Json = {
        "models": [
            {
                "name": "models/gemini-3.8-flash",
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            },
            {"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]},
        ],
        "nextPageToken": "next",
    }
    server = ListServer(first, {"models": [{"name": "models/gemma"}]})
    assert await listed(server, "google") == {"gemini-3.8-flash", "gemma"}
    assert [query.get("pageToken") for _, query, _ in server.requests] == [None, "next"]
    for path, query, headers in server.requests:
        assert path == "/base/v1/models"
        assert "key" not in query
        assert headers["x-goog-api-key"] == KEY


async def test_pages_that_never_end_are_left() -> None:
    page: Json = {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}
    assert await listed(ListServer(*[page] * 60), "anthropic") == {"a"}


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "together"])
@pytest.mark.parametrize(
    ("status", "reply", "error"),
    [
        (401, {"error": {"message": f"bad key {KEY}"}}, AuthFailed),
        (429, {"error": {"message": "too fast"}}, RateLimited),
        (302, "moved", LaneClosed),
        (200, "<html></html>", BadReply),
        (200, {"models": [{"id": 7}], "data": [{"name": 7}]}, BadReply),
    ],
)
async def test_a_refusal_is_a_model_error(
    provider: Provider, status: int, reply: Json, error: type[ModelError]
) -> None:
    server = ListServer(reply, status=status)
    with pytest.raises(error) as caught:
        await listed(server, provider)
    assert KEY not in str(caught.value)
    assert len(server.requests) == 1


async def test_nobody_at_the_address() -> None:
    with nobody_there() as url:
        async with ClientPool() as clients:
            with pytest.raises(ConnectionLost):
                await listed_models(connect("openai", url, clients))


async def test_a_list_that_never_comes_ends_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(model_listing, "DEADLINE_SECONDS", 0.05)
    server = ListServer()
    monkeypatch.setattr(server, "handle", never)
    with pytest.raises(TimedOut, match=r"openai: no model list in 0\.05 s"):
        await listed(server, "openai")


async def test_a_class_without_an_address_cannot_be_asked() -> None:
    class Guided(BaseModel):
        async def generate_completion(self, prompt: str) -> str:
            return prompt

    config = ModelConfig(
        name="m", provider="mine", api_key_env="MINE_API_KEY", model_class="Guided"
    )
    with pytest.raises(ConfigError, match="mine"):
        await listed_models(Guided(config))


@pytest.mark.parametrize(
    ("model_id", "replacement", "instead"),
    [
        ("gpt-4", "gpt-5.6-sol", "gpt-5.6-sol"),
        ("gpt-4", "gpt-9-sol", "gpt-5.6-sol"),
        ("gpt-5.6-terra", None, "gpt-5.6-sol"),
        ("something-else", None, None),
    ],
)
def test_what_to_use_instead(model_id: str, replacement: str | None, instead: str | None) -> None:
    assert use_instead(model_id, replacement, {"gpt-5.6-sol", "claude-opus-5-5"}) == instead


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "together"])
async def test_a_list_that_nobody_meant_is_an_error(provider: Provider) -> None:
    bomb = gzip.compress(b" " * 20_000_000)
    field, name = ("models", "name") if provider == "google" else ("data", "id")
    names: list[Json] = [{name: f"model-{n}"} for n in range(60_000)]
    cases: list[tuple[bytes, str]] = [
        (http(b"[" * 100_000), ""),
        (http(b"[" * 100_000, "500 Oops"), "answered 500"),
        (http(bomb, headers={"Content-Encoding": "gzip"}), "larger than 8 MB"),
        (http(b"{}", headers={"X-Long": "y" * 9_000}), "cannot be read as HTTP"),
        (http({field: names}), "lists more than 50,000 models"),
        (http([7]), ""),
    ]
    for reply, words in cases:
        async with raw_server(reply) as server, ClientPool() as clients:
            with pytest.raises(ModelError) as caught:
                await listed_models(connect(provider, server.url, clients))
        assert words in str(caught.value)
        assert len(str(caught.value)) <= 300


async def test_a_key_and_a_novel_are_no_ids() -> None:
    ids: list[Json] = [{"id": name} for name in ("a-model", KEY, f"x-{KEY}", "y" * 1_000_000)]
    async with raw_server(http({"data": ids})) as server, ClientPool() as clients:
        listing = await listed_models(connect("openai", server.url, clients))
    assert listing.ids == listing.names == {"a-model"}
