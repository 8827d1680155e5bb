"""A wrong address or model name: one line that says what was called, and what to look at."""

import json
from pathlib import Path

import pytest

from models.wire.wrong_address import address_words
from tests.support.command import Finished, run
from tests.support.datasets import write_dataset
from tests.support.nobody_there import nobody_there
from tests.support.provider_server import Answer, ProviderServer

LITELLM = Answer(
    status=400,
    body={
        "error": {
            "message": "/chat/completions: Invalid model name passed in model=gpt-x. Call "
            "`/v1/models` to view available models for your key.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "400",
        }
    },
)


async def collected(tmp_path: Path, model: str, **environment: str) -> Finished:
    dataset = write_dataset(tmp_path / "data", {"sums": 6})
    return await run(
        "run_collection.py",
        *("--models", model, "--dataset-path", str(dataset), "--max-concurrent", "1"),
        *("--output-dir", str(tmp_path / "out")),
        environment=environment,
    )


def why_it_stopped(finished: Finished, label: str) -> str:
    [line] = [line for line in finished.stdout.splitlines() if line.startswith(f"{label}: stopped")]
    return line


@pytest.mark.slow
async def test_a_gateways_unknown_model_closes_the_lane_and_lists_what_there_is(
    tmp_path: Path,
) -> None:
    async with ProviderServer(served={"local": ["gpt-4o", "gpt-xl", "claude"]}) as server:
        server.script("local", LITELLM)
        url = server.url("local")
        finished = await collected(tmp_path, "local:gpt-x", LOCAL_BASE_URL=url)
        assert finished.exit_code == 1 and len(server.requests) == 1
    line = why_it_stopped(finished, "local-gpt-x")
    assert "Invalid model name passed in model=gpt-x" in line
    assert line.endswith(
        f"; the URL was {url}/chat/completions; the server lists: gpt-xl, gpt-4o, claude"
    )


@pytest.mark.slow
async def test_a_path_that_is_wrong_is_said_to_be(tmp_path: Path) -> None:
    async with ProviderServer(served={"local": []}) as server:
        url = server.url("local")
        finished = await collected(tmp_path, "local:m", LOCAL_BASE_URL=f"{url}/chat/completions")
    line = why_it_stopped(finished, "local-m")
    assert f"the URL was {url}/chat/completions/chat/completions; its path is too long: " in line
    assert "end LOCAL_BASE_URL before /chat/completions" in line


@pytest.mark.slow
async def test_a_refused_connection_names_the_whole_address(tmp_path: Path) -> None:
    with nobody_there() as url:
        finished = await collected(tmp_path, "local:m", LOCAL_BASE_URL=url)
    assert f"the URL was {url}/chat/completions" in why_it_stopped(finished, "local-m")
    [first, *_] = (finished.session / "failures.jsonl").read_text().splitlines()
    assert f"the URL was {url}/chat/completions" in json.loads(first)["message"]


@pytest.mark.parametrize(
    ("path", "mistake"),
    [
        ("/v1/chat/completions", ""),
        ("/api/paas/v4/chat/completions", ""),
        ("/v1/models/gemini-4:generateContent", ""),
        ("/v1/v1/messages", "it has /v1 twice: take /v1 out of X_BASE_URL"),
        ("/v1beta/v1/models/m:x", "it has both /v1beta and /v1: take /v1beta out of X_BASE_URL"),
        ("/chat/completions", "it has no /v1: should X_BASE_URL end in /v1?"),
        (
            "/v1/messages/v1/messages",
            "its path is too long: end X_BASE_URL before /messages",
        ),
        (
            "/v1/chat/completions/chat/completions",
            "its path is too long: end X_BASE_URL before /chat/completions",
        ),
        ("/v1/models/models", "its path is too long: end X_BASE_URL before /models"),
    ],
)
def test_what_is_likely_wrong_with_a_path(path: str, mistake: str) -> None:
    url = f"http://h:1{path}"
    said = address_words(f"{url}?key=secret", "X_BASE_URL", is_default=False)
    assert said == f"the URL was {url}" + (f"; {mistake}" if mistake else "")


def test_the_providers_own_address_is_right() -> None:
    url = "https://api.deepseek.com/chat/completions"
    assert address_words(url, "DEEPSEEK_BASE_URL", is_default=True) == f"the URL was {url}"
