"""The guide's four steps to a provider of one's own, from the command line of a copy."""

import json
import shutil
from pathlib import Path

import pytest

from tests.models.test_wire_guide_model import HOST, PASTED
from tests.support.command import ROOT, Finished, run
from tests.support.provider_server import Answer, ProviderServer

ROW = """\
ModelConfig(
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
"""
KEY = "my-provider-key-0123456789abcdef"


def make_project(tmp_path: Path, host: str) -> Path:
    """Return a copy of the project after the guide's steps 1 to 3; host: in place of its own."""
    root = tmp_path / "llm_solutions"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(".git", ".venv", "venv", "generated"))
    (root / "models" / "my_provider_model.py").write_text(PASTED.replace(HOST, host))
    registry = root / "config" / "model_configs.py"
    above, end, below = registry.read_text().rpartition("]\n# fmt: on\n")
    assert end, "a row goes at the end of the list"
    registry.write_text(f"{above}{ROW},\n{end}{below}")
    shutil.copy(root / ".env.example", root / ".env")
    with (root / ".env").open("a") as file:
        file.write(f"MYPROVIDER_API_KEY={KEY}\n")
    return root


async def collection(root: Path, *arguments: str) -> Finished:
    return await run("run_collection.py", *arguments, root=root, folder=root)


@pytest.mark.slow
async def test_the_list_and_a_dry_run_know_the_new_model(tmp_path: Path) -> None:
    root = make_project(tmp_path, HOST)  # the class is unchanged: nothing is sent here
    listed = await collection(root, "--list-models")
    assert listed.exit_code == 0, listed.output
    assert "  my_model_name (myprovider) ✓\n" in listed.stdout
    assert "  MYPROVIDER_API_KEY: ✓\n" in listed.stdout
    planned = await collection(root, "--models", "my_model_name", "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert "Initialized 1 models: ['my-model-v1']" in planned.stdout
    assert "Dry run completed successfully" in planned.stdout


@pytest.mark.slow
async def test_a_quick_test_collects_its_answers(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        # The server speaks chat completions below /xai, as the guide's provider does.
        root = make_project(tmp_path, server.url("xai").removesuffix("/v1"))
        page = "<html><title>502 Bad Gateway</title></html>"
        server.script(
            "xai",
            Answer(status=500, body={"error": {"message": f"no luck with {KEY}"}}),
            Answer(),
            Answer(status=502, body=page, content_type="text/html"),
            Answer(),
            Answer(ending="cut"),
        )
        finished = await collection(root, "--models", "my_model_name", "--quick-test")
        assert finished.exit_code == 0, finished.output
        assert len(server.requests) == 24 + 3
        for request in server.requests:
            assert request.headers["Authorization"] == f"Bearer {KEY}"
            assert (request.body["max_tokens"], request.body["temperature"]) == (2048, 0.7)
    files = sorted((finished.session / "my-model-v1").glob("*.jsonl"))
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(files) == len(records) == 24
    assert {record["parameters"]["max_tokens"] for record in records} == {2048}
    assert KEY not in finished.output + "".join(file.read_text() for file in files)
