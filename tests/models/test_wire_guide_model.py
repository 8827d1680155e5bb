"""The guide's example of a new provider, pasted as it is printed: one file is all it takes."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from aiohttp import web

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "https://api.myprovider.com"
PASTED = '''from models.base_model import BaseModel
import aiohttp

class MyProviderModel(BaseModel):
    """Implementation for MyProvider models"""

    async def generate_completion(self, prompt: str) -> str:
        """Generate completion using MyProvider API"""
        headers = {
            "Authorization": f"Bearer {self.api_key}",
            "Content-Type": "application/json"
        }

        payload = {
            "model": self.model_name,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature
        }

        async with aiohttp.ClientSession() as session:
            async with session.post(
                "https://api.myprovider.com/v1/chat/completions",
                headers=headers,
                json=payload
            ) as response:
                result = await response.json()
                return result['choices'][0]['message']['content']
'''
# Runs in a copy of the project that has the pasted file beside the others.
USER = """
import asyncio, json, sys, warnings
warnings.simplefilter("error")
from config.errors import ModelError
from config.model_config import ModelConfig
from models.base_model import make_model
from prompts.prompt_template import Prompt

CONFIG = ModelConfig(
    name="my_model_name",
    provider="myprovider",
    api_key_env="MYPROVIDER_API_KEY",
    model_class="MyProviderModel",
    model_params={
        "model_name": "my-model-v1",
        "max_tokens": 2048,
        "temperature": 0.7
    }
)

async def main():
    told = []
    async with make_model(CONFIG, api_key="my-secret-key") as model:
        for _ in range(int(sys.argv[1])):
            try:
                completion = await model.complete(Prompt(system="Be brief.", user="Add."))
                told.append(["answer", completion.text, dict(completion.parameters)])
            except ModelError as error:
                told.append([type(error).__name__, str(error), {}])
    print(json.dumps(told))

asyncio.run(main())
"""
GOOD = {"choices": [{"message": {"role": "assistant", "content": "def add"}}]}
HTML = "<html><title>502 Bad Gateway</title></html>"
CASES: list[tuple[int, str, str, str]] = [
    (200, "application/json", json.dumps(GOOD), "answer"),
    (401, "application/json", '{"error": {"message": "wrong key my-secret-key"}}', "BadReply"),
    (429, "application/json", '{"error": "slow down"}', "BadReply"),
    (200, "application/json", '{"choices": []}', "BadReply"),
    (200, "application/json", '{"choices": [{"message": {"content": null}}]}', "BadReply"),
    (200, "application/json", '{"choices": [{"mess', "BadReply"),
    (200, "application/json", "[]", "BadReply"),
    (200, "application/json", "", "BadReply"),
    (200, "text/html", "<html>Hello</html>", "BadReply"),
    (502, "text/html", HTML, "Overloaded"),
    (404, "text/html", "<html>no such page</html>", "ModelGone"),
    (429, "text/plain", "slow down", "RateLimited"),
    (0, "", "", "ConnectionLost"),
    (200, "application/json", json.dumps(GOOD), "answer"),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for stage in ("config", "prompts", "models"):
        shutil.copytree(
            ROOT / stage, tmp_path / stage, ignore=shutil.ignore_patterns("__pycache__")
        )
    (tmp_path / "user.py").write_text(USER, encoding="utf-8")
    return tmp_path


async def test_the_pasted_class_works_with_and_without_errors(project: Path) -> None:
    sent: list[tuple[str, str, object]] = []

    async def answer(request: web.Request) -> web.Response:
        status, content_type, body, _ = CASES[len(sent)]
        sent.append((request.path, request.headers["Authorization"], await request.json()))
        if not status and request.transport:
            request.transport.abort()
        return web.Response(status=status or 200, content_type=content_type or None, text=body)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        host = f"http://127.0.0.1:{runner.addresses[0][1]}"
        pasted = project / "models" / "my_provider_model.py"
        pasted.write_text(PASTED.replace(HOST, host), encoding="utf-8")
        told = await run_user(project, len(CASES))
    finally:
        await runner.cleanup()

    assert [kind for kind, _, _ in told] == [expected for *_, expected in CASES]
    assert told[0][1:] == ["def add", {"max_tokens": 2048, "temperature": 0.7}]
    assert not any("my-secret-key" in text for _, text, _ in told)
    path, authorization, body = sent[0]
    assert (path, authorization) == ("/v1/chat/completions", "Bearer my-secret-key")
    assert body == {
        "model": "my-model-v1",
        "messages": [{"role": "user", "content": "Be brief.\n\nAdd."}],
        "max_tokens": 2048,
        "temperature": 0.7,
    }


async def run_user(project: Path, calls: int) -> list[list[str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "user.py",
        str(calls),
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    told: list[list[str]] = json.loads(output)
    return told


def test_what_is_pasted_is_complete() -> None:
    assert PASTED.count(HOST) == 1
