"""What goes out: paths, credentials and parameters, exactly."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from config.errors import ConfigError
from config.model_config import ParameterValue
from models.base_model import CallOptions, make_model
from models.wire.client_pool import ClientPool
from prompts.prompt_template import Prompt
from tests.support.provider_formats import PREFIXES, Provider
from tests.support.provider_server import ProviderServer
from tests.support.wire import CHAT_PROVIDERS, PROMPT, connect, key_of, row

MESSAGES = [
    {"role": "system", "content": PROMPT.system},
    {"role": "user", "content": PROMPT.user},
]
LIMIT_FIELDS = dict.fromkeys(CHAT_PROVIDERS, "max_tokens") | {"openai": "max_completion_tokens"}


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_path_key_and_body(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    completion = await connect(server, row(provider), clients).complete(PROMPT)
    (request,) = server.requests
    assert request.path == f"{PREFIXES[provider]}/chat/completions"
    assert request.headers["Authorization"] == f"Bearer {key_of(provider)}"
    assert request.headers["Content-Type"] == "application/json"
    parameters = {"model": "some-model", LIMIT_FIELDS[provider]: 4096, "temperature": 0.2}
    assert request.body == {**parameters, "messages": MESSAGES}
    assert completion.parameters == parameters, "recorded as sent"


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_a_reasoning_model_gets_its_budget_and_no_temperature(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    config = row(provider, {"reasoning_effort": "low"}, reasons=True, accepts_temperature=False)
    completion = await connect(server, config, clients).complete(PROMPT)
    parameters = {
        "model": "some-model",
        LIMIT_FIELDS[provider]: 16384,
        "reasoning_effort": "low",
    }
    assert server.requests[0].body == {**parameters, "messages": MESSAGES}
    assert completion.parameters == parameters


@pytest.mark.parametrize(
    ("provider", "params"),
    [
        ("deepseek", {"thinking": {"type": "disabled"}}),
        ("together", {"reasoning": {"enabled": False}}),
        ("huggingface", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("xai", {"reasoning_effort": "none"}),
        ("openai", {"reasoning_effort": "none", "seed": 7}),
    ],
)
async def test_a_rows_own_parameters_go_out_as_they_stand(
    provider: Provider,
    params: Mapping[str, ParameterValue],
    server: ProviderServer,
    clients: ClientPool,
) -> None:
    config = row(provider, {**params, "max_tokens": 100, "temperature": 1.0})
    await connect(server, config, clients).complete(PROMPT)
    body = server.requests[0].body
    expected = {"model": "some-model", LIMIT_FIELDS[provider]: 100, "temperature": 1.0, **params}
    assert body == {**expected, "messages": MESSAGES}


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_the_users_options_win_over_the_row(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    options = CallOptions(temperature=0.0, max_tokens=50)
    config = row(provider, {"max_tokens": 100, "temperature": 1.0})
    await connect(server, config, clients, options).complete(PROMPT)
    body = server.requests[0].body
    assert (body[LIMIT_FIELDS[provider]], body["temperature"]) == (50, 0.0)


@pytest.mark.parametrize(("wanted", "sent"), [(50, 50), (99_999, 8192)])
async def test_no_more_is_asked_for_than_the_model_can_give(
    wanted: int, sent: int, server: ProviderServer, clients: ClientPool
) -> None:
    config = replace(row("together"), max_output_tokens=8192)
    options = CallOptions(max_tokens=wanted)
    completion = await connect(server, config, clients, options).complete(PROMPT)
    assert server.requests[0].body["max_tokens"] == completion.parameters["max_tokens"] == sent


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
@pytest.mark.parametrize(("effort", "temperature"), [("none", 0.2), ("low", None)])
async def test_at_openai_reasoning_and_a_temperature_exclude_each_other(
    endpoint: str,
    effort: str,
    temperature: float | None,
    server: ProviderServer,
    clients: ClientPool,
) -> None:
    config = row("openai", {"endpoint": endpoint, "reasoning_effort": effort})
    completion = await connect(server, config, clients).complete(PROMPT)
    assert server.requests[0].body.get("temperature") == temperature
    assert completion.parameters.get("temperature") == temperature


async def test_without_a_system_text_there_is_only_the_users_message(
    server: ProviderServer, clients: ClientPool
) -> None:
    await connect(server, row("xai"), clients).complete(Prompt(system="", user="Hello"))
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "Hello"}]


async def test_each_key_goes_to_its_own_provider_and_nowhere_else(
    server: ProviderServer, clients: ClientPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ambient = {
        "OPENAI_API_KEY": "ambient-key",
        "OPENAI_ADMIN_KEY": "ambient-admin",
        "OPENAI_ORG_ID": "ambient-org",
        "OPENAI_PROJECT_ID": "ambient-project",
        "OPENAI_BASE_URL": "http://ambient.invalid/v1",
        "OPENAI_CUSTOM_HEADERS": "X-Ambient: ambient-header\nauthorization: Bearer ambient-bearer",
    }
    for name, value in ambient.items():
        monkeypatch.setenv(name, value)
    options = CallOptions(openai_organization="org-1", openai_project="proj-1")
    for provider in CHAT_PROVIDERS:
        await connect(server, row(provider), clients, options).complete(PROMPT)
    assert [request.provider for request in server.requests] == list(CHAT_PROVIDERS)
    for request in server.requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["authorization"] == f"Bearer {key_of(request.provider)}"
        sent_ids = (headers.get("openai-organization"), headers.get("openai-project"))
        expected = ("org-1", "proj-1") if request.provider == "openai" else (None, None)
        assert sent_ids == expected
        assert "ambient" not in str(request)


async def test_openai_gets_no_ids_that_the_user_did_not_set(
    server: ProviderServer, clients: ClientPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "ambient-org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "ambient-project")
    await connect(server, row("openai"), clients).complete(PROMPT)
    assert "ambient" not in str(server.requests)
    assert not any(name.lower().startswith("openai-") for name in server.requests[0].headers)


async def test_models_with_one_key_and_address_share_a_client(
    server: ProviderServer, clients: ClientPool
) -> None:
    for _ in range(3):
        await connect(server, row("xai"), clients).complete(PROMPT)
        await connect(server, row("openai"), clients).complete(PROMPT)
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("openai", "https://api.openai.com/v1"),
        ("xai", "https://api.x.ai/v1"),
        ("together", "https://api.together.ai/v1"),
        ("huggingface", "https://router.huggingface.co/v1"),
        ("deepseek", "https://api.deepseek.com"),
    ],
)
def test_each_provider_has_its_own_address(
    provider: Provider, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://ambient.invalid/v1")
    assert make_model(row(provider), api_key="key").base_url == url


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "/v1"])
def test_an_address_that_cannot_work_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match="XAI_BASE_URL"):
        make_model(row("xai"), api_key="key", base_url=url)


def test_an_address_with_a_password_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match="XAI_BASE_URL") as caught:
        make_model(row("xai"), api_key="key", base_url="https://me:secret@gateway/v1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["a\nb", "schlüssel", "a\u2026b", "a\x00"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="XAI_API_KEY") as caught:
        make_model(row("xai"), api_key=key)
    assert key not in str(caught.value)


def test_a_meta_model_of_another_provider_is_refused() -> None:
    config = row("together")
    object.__setattr__(config, "provider", "groq")
    with pytest.raises(ConfigError, match="MetaModel knows together, huggingface"):
        make_model(config, api_key="key")
