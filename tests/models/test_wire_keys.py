"""Whatever a provider repeats of the run's keys, its own or others', comes no further."""

import html
import json
import logging
from collections.abc import Callable
from urllib.parse import quote

import pytest

from config.errors import ModelError
from config.redaction import Redactor, redact_logs
from models.base_model import CallOptions
from models.wire.client_pool import ClientPool
from tests.support.provider_formats import Json
from tests.support.raw_replies import KEY, WIRES, Wire, connect, good, http, raw_server
from tests.support.wire import PROMPT

OTHERS = "sk-proj-Ab12Cd34Ef56Gh78Ij90/Kl12Mn34Op56"
OPTIONS = CallOptions(request_timeout_seconds=60, secrets=frozenset({KEY, OTHERS}))
WRITTEN: list[Callable[[str], str]] = [
    str,
    lambda key: quote(key, safe=""),
    lambda key: html.escape("".join(f"&#{ord(c)};" for c in key)),
    lambda key: key[:-7],
    lambda key: key[7:],
]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> object:
    before = logging.getLogRecordFactory()
    redact_logs(Redactor({KEY, OTHERS}))
    caplog.set_level(logging.DEBUG)
    yield caplog
    logging.setLogRecordFactory(before)


def parts_of(key: str, text: str) -> list[str]:
    return [key[at : at + 12] for at in range(8, len(key) - 11) if key[at : at + 12] in text]


@pytest.mark.parametrize("wire", WIRES)
async def test_no_key_in_answers_errors_and_logs(
    wire: Wire, clients: ClientPool, logged: pytest.LogCaptureFixture
) -> None:
    replies: list[bytes] = []
    for key in (KEY, OTHERS):
        headers = {
            "x-request-id": key,
            "request-id": key,
            "x-echo": f"Bearer {key}",
            "Set-Cookie": f"key={key}",
            "x-ratelimit-limit-requests": key,
        }
        for write in WRITTEN:
            words: Json = {"error": {"message": f"no access with {write(key)}", "code": write(key)}}
            replies += [
                http(good(wire, f"# {write(key)}\ndef add"), f"200 {key}", headers),
                http(words, f"401 {key}", headers),
                http(f"{'x' * 280} {write(key)}".encode(), f"503 {key}", headers),
                http(json.dumps({"odd": write(key)}).encode(), f"200 {key}", headers),
            ]
    told: list[str] = []
    async with raw_server(*replies) as server:
        model = connect(wire, server.url, clients, OPTIONS)
        for _ in replies:
            try:
                told.append(repr(await model.complete(PROMPT)))
            except ModelError as error:
                told.append(f"{error!r} {error.request_id!r} {error.__cause__!r}")
    assert sum("def add" in text for text in told) == 2 * len(WRITTEN)
    for text in (*told, logged.text):
        for key in (KEY, OTHERS):
            assert parts_of(key, text) == [], text
    if wire in ("openai", "responses", "anthropic"):
        assert "HTTP Request: POST" in logged.text, "the HTTP library spoke"


def test_options_do_not_show_the_keys() -> None:
    assert KEY not in repr(OPTIONS)
