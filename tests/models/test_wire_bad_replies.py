"""Every provider against the same table of bad replies: each ends in the one right error."""

import logging
import traceback

import pytest

from config.errors import ModelError
from models.base_model import CallOptions
from models.wire.client_pool import ClientPool
from tests.support.bad_replies import Case, bad_replies
from tests.support.provider_formats import Json, Provider
from tests.support.provider_server import Answer, ProviderServer
from tests.support.wire import CHAT_PROVIDERS, PROMPT, connect, key_of, row

CASES = [(provider, case) for provider in CHAT_PROVIDERS for case in bad_replies(provider)]


@pytest.mark.parametrize(
    ("provider", "case"), CASES, ids=[f"{provider}: {case.name}" for provider, case in CASES]
)
async def test_a_bad_reply_ends_in_the_right_error(
    provider: Provider,
    case: Case,
    server: ProviderServer,
    clients: ClientPool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script(provider, case.answer)
    with pytest.raises(ModelError) as caught:
        await connect(server, row(provider), clients).complete(PROMPT)
    error = caught.value
    assert type(error) is case.error
    assert case.words in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    assert len(server.requests) == 1, "the model itself never sends twice"
    told = [str(error), repr(error), *traceback.format_exception(error), caplog.text]
    assert not any(key_of(provider) in text for text in told)


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
def test_the_table_is_long_enough(provider: Provider) -> None:
    names = [case.name for case in bad_replies(provider)]
    assert len(set(names)) == len(names) >= 25


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_an_error_names_provider_status_and_the_providers_words(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    headers = {"x-request-id": "req-7", "Retry-After": "3"}
    body: Json = {"error": {"message": "the provider's own words"}}
    server.script(provider, Answer(status=429, body=body, headers=headers))
    with pytest.raises(ModelError) as caught:
        await connect(server, row(provider), clients).complete(PROMPT)
    assert str(caught.value) == f"{provider} answered 429: the provider's own words"
    assert caught.value.status == 429
    assert caught.value.request_id == "req-7"
    assert [signal.retry_after_seconds for signal in caught.value.signals] == [3.0]


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_an_unreadable_answer_still_tells_its_limits(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}
    server.script(provider, Answer(body="<html>", headers=headers))
    with pytest.raises(ModelError) as caught:
        await connect(server, row(provider), clients).complete(PROMPT)
    assert caught.value.status == 200
    assert [signal.limit_per_minute for signal in caught.value.signals] == [60.0]


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_blank_lines_for_ever_end_at_the_deadline(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    server.script(provider, Answer(ending="never"))
    options = CallOptions(request_timeout_seconds=0.05)
    with pytest.raises(ModelError) as caught:
        await connect(server, row(provider), clients, options).complete(PROMPT)
    assert str(caught.value) == "no whole reply within 0.05 s"


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_no_server_at_all_is_a_lost_connection(
    provider: Provider, clients: ClientPool
) -> None:
    async with ProviderServer() as server:
        model = connect(server, row(provider), clients)
    with pytest.raises(ModelError) as caught:
        await model.complete(PROMPT)
    assert type(caught.value).__name__ == "Unreachable"


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_after_each_bad_reply_the_same_client_still_works(
    provider: Provider, server: ProviderServer, clients: ClientPool
) -> None:
    model = connect(server, row(provider), clients)
    for case in bad_replies(provider):
        server.script(provider, case.answer)
        with pytest.raises(ModelError):
            await model.complete(PROMPT)
        assert "def add" in (await model.complete(PROMPT)).text
