"""The way to the provider: proxies, .netrc, redirects and connections."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from config.errors import ConnectionLost, LaneClosed, Unreachable
from config.model_configs import select_models
from models.base_model import make_model
from models.wire.client_pool import ClientPool
from tests.support.provider_formats import PREFIXES, Provider
from tests.support.provider_server import Answer, ProviderServer
from tests.support.wire import CHAT_PROVIDERS, PROMPT, connect, key_of, row

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProviderServer]:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    async with ProviderServer() as opened:
        yield opened


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_the_environments_proxy_is_used(
    provider: Provider,
    server: ProviderServer,
    clients: ClientPool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    path = server.url(provider).partition(str(server.port))[2]
    url = f"http://provider.invalid{path}"
    model = make_model(row(provider), api_key=key_of(provider), base_url=url, clients=clients)
    assert "def add" in (await model.complete(PROMPT)).text
    assert server.requests[0].headers["Host"] == "provider.invalid"


@pytest.mark.parametrize(
    ("name", "provider"), [("claude-haiku-4-5", "anthropic"), ("gemini-3.8-flash", "google")]
)
async def test_the_other_sdks_use_the_proxy_and_no_netrc_too(
    name: str,
    provider: Provider,
    server: ProviderServer,
    clients: ClientPool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine provider.invalid login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    (config,) = select_models([name])
    url = f"http://provider.invalid{PREFIXES[provider]}"
    model = make_model(config, api_key=key_of(provider), base_url=url, clients=clients)
    assert "def add" in (await model.complete(PROMPT)).text
    (request,) = server.requests
    assert request.headers["Host"] == "provider.invalid"
    assert "Basic" not in str(request.headers)


@pytest.mark.parametrize(
    ("name", "provider"), [("claude-haiku-4-5", "anthropic"), ("gemini-3.8-flash", "google")]
)
async def test_nor_do_they_follow_a_redirect_with_the_key(
    name: str, provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    elsewhere = server.url("local") + "/chat/completions"
    server.script(provider, Answer(status=307, headers={"Location": elsewhere}))
    (config,) = select_models([name])
    url = server.url(provider)
    model = make_model(config, api_key=key_of(provider), base_url=url, clients=clients)
    with pytest.raises(LaneClosed, match="redirect"):
        await model.complete(PROMPT)
    assert [request.provider for request in server.requests] == [provider]


async def test_a_host_in_no_proxy_is_asked_directly(
    server: ProviderServer, clients: ClientPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("no_proxy", "provider.invalid")
    url = "http://provider.invalid/xai/v1"
    with pytest.raises(ConnectionLost):
        await make_model(row("xai"), base_url=url, clients=clients).complete(PROMPT)
    assert server.requests == []


async def test_a_server_on_this_machine_needs_no_proxy(
    server: ProviderServer, clients: ClientPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    completion = await connect(server, row("xai"), clients).complete(PROMPT)
    assert "def add" in completion.text


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_a_netrc_file_changes_nothing(
    provider: Provider,
    server: ProviderServer,
    clients: ClientPool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\ndefault login me password x\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    await connect(server, row(provider), clients).complete(PROMPT)
    assert server.requests[0].headers["Authorization"] == f"Bearer {key_of(provider)}"


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_a_key_does_not_follow_a_redirect(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    server.script(
        provider, Answer(status=307, headers={"Location": server.url("local") + "/elsewhere"})
    )
    with pytest.raises(LaneClosed, match="redirect"):
        await connect(server, row(provider), clients).complete(PROMPT)
    assert [request.provider for request in server.requests] == [provider]


async def test_without_a_key_there_is_no_authorization(
    server: ProviderServer, clients: ClientPool
) -> None:
    url = server.url("together")
    await make_model(row("together"), base_url=url, clients=clients).complete(PROMPT)
    assert "Authorization" not in server.requests[0].headers


async def test_cookies_are_not_kept(server: ProviderServer, clients: ClientPool) -> None:
    server.script("xai", Answer(headers={"Set-Cookie": "session=1; Path=/"}))
    model = connect(server, row("xai"), clients)
    await model.complete(PROMPT)
    await model.complete(PROMPT)
    assert "Cookie" not in server.requests[1].headers


def test_no_connection_in_time_is_a_lost_connection() -> None:
    error = make_model(row("xai")).read_error(aiohttp.ConnectionTimeoutError("to api.x.ai"))
    assert type(error) is Unreachable


async def test_a_model_on_its_own_closes_what_it_opened(server: ProviderServer) -> None:
    async with make_model(row("xai"), api_key="key", base_url=server.url("xai")) as model:
        assert "def add" in (await model.complete(PROMPT)).text
    # An open session would warn here, and warnings are errors.


async def test_a_reply_in_gzip(clients: ClientPool) -> None:
    async def answer(request: web.Request) -> web.Response:
        body = {"choices": [{"message": {"content": "def add"}, "finish_reason": "stop"}]}
        response = web.json_response(body)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        for provider in CHAT_PROVIDERS:
            model = make_model(row(provider), api_key="key", base_url=url, clients=clients)
            assert (await model.complete(PROMPT)).text == "def add"
    finally:
        await runner.cleanup()
