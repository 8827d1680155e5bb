"""The flex tier on the wire: what goes out, what was served, and what a refusal of it means."""

from dataclasses import replace

import pytest

from config.errors import (
    BadRequest,
    ModelError,
    NoCapacity,
    Overloaded,
    QuotaExhausted,
    RateLimited,
)
from config.model_configs import select_models
from models.base_model import BaseModel, CallOptions, make_model
from models.wire.client_pool import ClientPool
from prompts.prompt_template import Prompt
from tests.support.provider_formats import Json, Provider
from tests.support.provider_server import Answer, ProviderServer
from tests.support.wire import PROMPT, key_of

FLEX = CallOptions(tier="flex")
NO_ROOM: Json = {"error": {"message": "Resource Unavailable", "code": "resource_unavailable"}}


def model_of(
    server: ProviderServer, name: str, clients: ClientPool, options: CallOptions = FLEX
) -> BaseModel:
    (config,) = select_models([name])
    provider: Provider = "google" if config.provider == "google" else "openai"
    return make_model(
        config,
        api_key=key_of(provider),
        base_url=server.url(provider),
        options=options,
        clients=clients,
    )


@pytest.mark.parametrize("name", ["gpt-5-nano", "gpt-5.5-pro"])
async def test_openai_is_asked_for_flex_in_chat_and_responses(
    server: ProviderServer, clients: ClientPool, name: str
) -> None:
    completion = await model_of(server, name, clients).complete(PROMPT)
    assert server.requests[0].body["service_tier"] == "flex"
    assert completion.parameters["service_tier"] == "flex"
    assert completion.served_tier == "flex"


async def test_gemini_is_asked_for_flex_beside_its_generation_config(
    server: ProviderServer, clients: ClientPool
) -> None:
    completion = await model_of(server, "gemini-3.8-flash", clients).complete(PROMPT)
    (request,) = server.requests
    assert request.path == "/google/v1beta/models/gemini-3.8-flash:generateContent"
    assert request.body["serviceTier"] == "flex"
    assert completion.parameters["serviceTier"] == "flex"
    assert "serviceTier" not in str(completion.parameters["generationConfig"])
    assert completion.served_tier == "flex"


async def test_what_a_header_of_geminis_says_of_the_tier_beats_its_counts(
    server: ProviderServer, clients: ClientPool
) -> None:
    server.script("google", Answer(headers={"X-Gemini-Service-Tier": "STANDARD"}))
    completion = await model_of(server, "gemini-3.8-flash", clients).complete(PROMPT)
    assert completion.served_tier == "standard"


@pytest.mark.parametrize("name", ["gpt-5-nano", "gpt-4o", "gemini-3.8-flash"])
async def test_nothing_of_tiers_goes_out_unless_it_is_asked_for(
    server: ProviderServer, clients: ClientPool, name: str
) -> None:
    options = FLEX if name == "gpt-4o" else CallOptions()  # which has no flex tier
    for model in (
        model_of(server, name, clients, options),
        model_of(server, name, clients).at_default_tier(),
    ):
        completion = await model.complete(PROMPT)
        assert model.requested_tier is None and completion.served_tier is None
    for request in server.requests:
        assert "tier" not in str(request.body).lower()
        assert "/v1beta/" not in request.path


async def test_the_tier_served_may_be_another_and_may_be_no_text_at_all(
    server: ProviderServer, clients: ClientPool
) -> None:
    choices: Json = [{"message": {"content": "def add"}, "finish_reason": "stop"}]
    for tier, known in (("default", "default"), (7, None), (None, None), ("x" * 999, "x" * 200)):
        server.script("openai", Answer(body={"choices": choices, "service_tier": tier}))
        completion = await model_of(server, "gpt-5-nano", clients).complete(PROMPT)
        assert completion.served_tier == known


def google(status: str, words: str = "x") -> Json:
    return {"error": {"code": 0, "status": status, "message": words}}


REFUSALS: list[tuple[str, int, Json, type[ModelError]]] = [
    ("gpt-5-nano", 429, NO_ROOM, NoCapacity),
    ("gpt-5-nano", 429, {"error": {"message": "429 Resource unavailable."}}, NoCapacity),
    ("gpt-5-nano", 503, {"error": {"message": "overloaded"}}, NoCapacity),
    ("gpt-5-nano", 500, {"error": {"message": "a bug"}}, Overloaded),
    ("gpt-5-nano", 429, {"error": {"message": "x", "code": "rate_limit_exceeded"}}, RateLimited),
    ("gpt-5-nano", 429, {"error": {"message": "x", "code": "insufficient_quota"}}, QuotaExhausted),
    ("gpt-5-nano", 400, {"error": {"message": "Resource unavailable in 400"}}, BadRequest),
    ("gemini-3.8-flash", 503, google("UNAVAILABLE"), NoCapacity),
    ("gemini-3.8-flash", 429, google("RESOURCE_EXHAUSTED", "Resource exhausted."), NoCapacity),
    ("gemini-3.8-flash", 429, google("RESOURCE_EXHAUSTED", "quota exceeded"), RateLimited),
]


@pytest.mark.parametrize(("name", "status", "body", "expected"), REFUSALS)
async def test_what_a_refusal_at_flex_means(
    server: ProviderServer,
    clients: ClientPool,
    name: str,
    status: int,
    body: Json,
    expected: type[ModelError],
) -> None:
    model = model_of(server, name, clients)
    provider: Provider = "google" if name.startswith("gemini") else "openai"
    server.script(provider, Answer(status=status, body=body, headers={"Retry-After": "7"}))
    with pytest.raises(ModelError) as caught:
        await model.complete(PROMPT)
    assert type(caught.value) is expected
    assert caught.value.status == status
    if expected is NoCapacity:
        assert caught.value.signals[-1].retry_after_seconds == 7


async def test_the_same_refusal_at_the_default_tier_is_what_it_always_was(
    server: ProviderServer, clients: ClientPool
) -> None:
    server.script("openai", Answer(status=503, body=NO_ROOM))
    with pytest.raises(Overloaded) as caught:
        await model_of(server, "gpt-5-nano", clients, CallOptions()).complete(PROMPT)
    assert not isinstance(caught.value, NoCapacity)


async def test_a_row_may_ask_for_a_tier_itself(server: ProviderServer, clients: ClientPool) -> None:
    (config,) = select_models(["gpt-5-nano"])
    params = {**config.model_params, "service_tier": "priority"}
    model = make_model(
        replace(config, model_params=params),
        api_key=key_of("openai"),
        base_url=server.url("openai"),
        clients=clients,
    )
    completion = await model.complete(Prompt(system="", user="Hello"))
    assert (model.requested_tier, completion.served_tier) == ("priority", "priority")
