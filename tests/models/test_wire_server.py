"""The loopback server itself, in a test and as a process."""

import asyncio
import json
import random
import sys
from pathlib import Path

import aiohttp
import pytest

from config.errors import ModelError, PermanentError
from models.wire.client_pool import ClientPool
from tests.support.provider_formats import PREFIXES, Json, Provider, solve
from tests.support.provider_server import ProviderServer, retryable_faults
from tests.support.wire import CHAT_PROVIDERS, PROMPT, connect, row

ROOT = Path(__file__).resolve().parent.parent.parent


async def test_as_a_process() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.provider_server",
        "--port",
        "0",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    address = (await process.stdout.readline()).decode().split()[-1]
    try:
        async with aiohttp.ClientSession(f"http://{address}") as session:
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            async with session.post("/xai/v1/chat/completions", json=body) as response:
                assert "choices" in await response.json()
            async with session.get("/requests") as response:
                (request,) = await response.json()
            assert (request["provider"], request["body"]) == ("xai", body)
            await session.delete("/requests")
            async with session.get("/requests") as response:
                assert await response.json() == []
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("provider", PREFIXES)
async def test_model_lists_and_unknown_paths(provider: Provider) -> None:
    served = {provider: ["a", "b"]}
    async with ProviderServer(served=served) as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.url(provider)}/models") as response:
            assert '"a"' in await response.text() or '"models/a"' in await response.text()
        async with session.post(f"{server.url(provider)}/other", json={"model": "a"}) as response:
            assert response.status == 404


async def test_a_model_that_is_not_served() -> None:
    async with ProviderServer(served={"xai": ["another"]}) as server, ClientPool() as clients:
        with pytest.raises(ModelError, match="does not exist"):
            await connect(server, row("xai"), clients).complete(PROMPT)


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_every_fault_is_worth_another_attempt(provider: Provider) -> None:
    async with ProviderServer() as server, ClientPool() as clients:
        model = connect(server, row(provider), clients)
        for fault in retryable_faults(provider):
            server.script(provider, fault)
            with pytest.raises(ModelError) as caught:
                await model.complete(PROMPT)
            assert not isinstance(caught.value, PermanentError), fault
    assert server.answers == {}


async def test_faults_come_at_their_rate_and_the_same_way_again() -> None:
    async def outcomes() -> list[bool]:
        answered = []
        chance = random.Random(7)
        async with ProviderServer(fault_rate=0.3, chance=chance) as server, ClientPool() as clients:
            model = connect(server, row("xai"), clients)
            for _ in range(100):
                try:
                    await model.complete(PROMPT)
                    answered.append(True)
                except ModelError:
                    answered.append(False)
            assert server.answers["xai", "some-model"] == sum(answered)
            assert server.most_at_once["xai", "some-model"] == 1
        return answered

    first = await outcomes()
    assert first == await outcomes()
    assert 15 <= first.count(False) <= 45


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("Write this class in Python and name it exactly `Stack`.", "class Stack:"),
        ("Write this function in Python and name it exactly `add`.", "def add("),
        ("Here is a reply: def subtract(a, b): ...", "def subtract("),
        ("Hello", "def solution("),
    ],
)
def test_it_writes_what_the_prompt_asks_for(prompt: str, code: str) -> None:
    body: dict[str, Json] = {"messages": [{"role": "user", "content": prompt}]}
    text = solve(body)
    assert code in text
    source = text.partition("```python\n")[2].partition("```")[0]
    compile(source, "reply", "exec")
    assert json.dumps(text)
