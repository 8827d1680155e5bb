"""A run against providers that repeat the key wherever they can: it stands nowhere afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.command import Command, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_formats import FORMATS, PREFIXES, Json, Provider
from tests.support.provider_server import Answer, ProviderServer
from tests.support.raw_replies import good, http, raw_server
from tests.support.wire import key_of

MODELS: dict[Provider, str] = {
    "openai": "gpt-4o",
    "anthropic": "claude-haiku-4-5",
    "google": "gemini-3.8-flash",
    "xai": "grok-4.7",
    "together": "llama-3.3-70b-instruct-turbo",
    "huggingface": "llama-3.3-70b-instruct-hf",
    "deepseek": "deepseek-flash",
    "local": "local:llama3.2",
}
# The SDKs' own logs, which a developer may have turned on, and credentials of other programs.
AMBIENT = {
    "OPENAI_LOG": "debug",
    "ANTHROPIC_LOG": "debug",
    "OPENAI_ADMIN_KEY": "ambient-admin",
    "OPENAI_CUSTOM_HEADERS": "X-Ambient: ambient-header",
    "ANTHROPIC_AUTH_TOKEN": "ambient-token",
    "GEMINI_API_KEY": "ambient-gemini",
}


def echoes(provider: Provider) -> list[Answer]:
    """Return replies of every fate that hold the provider's key in body and headers."""
    key, error = key_of(provider), FORMATS[provider].error
    headers = {
        "x-request-id": key,
        "request-id": key,
        "X-Echo": f"Bearer {key}",
        "Set-Cookie": f"key={key}",
        "x-ratelimit-limit-requests": key,
        "Location": f"/{key}",
    }
    page = f"<html><head><title>{key}</title></head><body>{key}</body></html>"
    good = FORMATS[provider].good(key, "/chat/completions", {}, f"# {key}\ndef solve(): ...")
    bodies: list[tuple[int, Json | bytes]] = [
        (500, error(500, f"no access with {key}")),
        (503, {"error": {"message": "later", "type": key, "code": key, "status": key}}),
        (502, page),
        (200, page),
        (200, json.dumps(good)[:-20]),
        (200, {"choices": key, "content": key, "candidates": key, "usage": key}),
        (200, f'{{"key": "{key}"'.encode() + b"\xff"),
        (400, error(400, f"{'x' * 280} {key}")),  # longer than what is kept: cut in the key
        (400, f"{key}"),
        (422, error(422, f"Authorization: Bearer {key}")),
        (200, good),
        (200, None),
    ]
    kinds = [Answer(status=status, body=body, headers=headers) for status, body in bodies]
    return [*kinds, Answer(ending="cut", headers=headers), Answer(ending="reset")]


def final_refusal(provider: Provider) -> Answer:
    return Answer(status=401, body=FORMATS[provider].error(401, f"wrong key {key_of(provider)}"))


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield str(file), file.read_text("utf-8", errors="replace")


@pytest.mark.slow
async def test_no_key_is_left_behind(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 36})
    log = tmp_path / "run.log"
    async with ProviderServer() as server:
        for provider in PREFIXES:
            for echo in echoes(provider):
                server.script(provider, echo, Answer())  # else the waits add up
            if provider != "local":  # one lane sees the end; OpenAI's are asked for code too
                finals = 10 * len(MODELS) if provider == "openai" else 10
                server.script(provider, *[final_refusal(provider)] * finals)
        command = await Command.start(
            "run_collection.py",
            *("--models", *MODELS.values(), "--dataset-path", str(dataset)),
            *("--output-dir", str(tmp_path / "out"), "--max-concurrent", "1"),
            *("--log-level", "DEBUG", "--log-file", str(log)),
            environment={
                **pointed_at(server),
                "LOCAL_BASE_URL": server.url("local"),
                "LOCAL_API_KEY": key_of("local"),
                **AMBIENT,
            },
        )
        command_line = Path(f"/proc/{command.pid}/cmdline")
        arguments = command_line.read_text() if command_line.exists() else ""
        finished = await command.finished()
        sent = json.dumps([[call.path, call.headers, call.body] for call in server.requests])
        for provider in PREFIXES:
            calls = server.sent_to(provider)
            assert len(calls) > 2 * len(echoes(provider)), "every echo was heard"

    assert finished.exit_code == 1, finished.output
    assert finished.stdout.count("stopped early: ") == len(PREFIXES) - 1
    assert "[key]" in finished.stdout and "[key]" in log.read_text()
    assert "[key]" in (finished.session / "failures.jsonl").read_text()
    assert "ambient" not in sent
    assert "_client" not in finished.stderr, "no SDK speaks for itself"
    assert "gpt-4o" in arguments or not command_line.parent.parent.exists()
    left = [("output", finished.output), ("arguments", arguments), *texts(tmp_path)]
    assert len(left) > 30
    for provider in PREFIXES:
        # Its beginning must not be left either, where a text was cut.
        found = [place for place, text in left if key_of(provider)[:24] in text]
        assert found == [], provider


@pytest.mark.slow
async def test_one_providers_key_is_not_told_by_another(tmp_path: Path) -> None:
    """Nor through the HTTP libraries' own lines, which OPENAI_LOG=debug turns on."""
    keys = {"OPENAI_API_KEY": key_of("openai"), "XAI_API_KEY": key_of("xai")}
    both = " and ".join(keys.values())
    headers = {"x-request-id": key_of("xai"), "X-Echo": both}
    replies = [
        http({"error": {"message": f"later, {both}"}}, f"503 {both}", headers),
        http(f"<title>{quote(both, safe='')}</title>".encode(), f"500 {both}", headers),
        http(good("openai", f"# {both}\ndef solve(): ..."), f"200 {both}", headers),
        http({"error": {"message": f"wrong key {both}", "code": both}}, f"401 {both}", headers),
    ]
    dataset = write_dataset(tmp_path / "data", {"sums": 2})
    log = tmp_path / "run.log"
    async with raw_server(*replies) as server:
        finished = await run(
            "run_collection.py",
            *("--models", "gpt-4o", "grok-4.3", "--dataset-path", str(dataset)),
            *("--output-dir", str(tmp_path / "out"), "--extraction", "regex"),
            *("--max-concurrent", "1", "--log-level", "DEBUG", "--log-file", str(log)),
            environment={
                **keys,
                "OPENAI_BASE_URL": server.url,
                "XAI_BASE_URL": server.url,
                "OPENAI_LOG": "debug",
            },
        )
    assert finished.exit_code == 1, finished.output
    left = [("output", finished.output), *texts(tmp_path)]
    assert sum("[key]" in text for _, text in left) >= 3
    for key in keys.values():
        assert [place for place, text in left if key[:24] in text or key[-16:] in text] == []
