"""Every command line that the project's guide prints, against loopback servers, keys set."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT, Finished, bare_environment, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_server import ProviderServer

# As printed in the guide; what each asks of the default models is two problems a category.
COLLECTIONS = [
    "--models gpt_4 claude-4-sonnet",
    "--all-models",
    "--quick-test",
    "--categories typing inheritance",
    "--batch-size 20 --max-concurrent 5",
    "--log-level DEBUG --log-file collection.log",
    "--quick-test --categories dataclass typing",
    "--quick-test --models gpt-3.5-turbo",
    "--quick-test --models gpt-4",
    "--quick-test --categories dataclass --models gpt-4",
    "--models gpt-4 claude-3-sonnet --categories dataclass typing --quick-test",
]
CALLS = [12, None, 6, 8, 12, 12, 4, 3, 3, 1, 4]
CATEGORIES = {"dataclass": 2, "typing": 2, "inheritance": 2}


async def collection(tmp_path: Path, server: ProviderServer, line: str) -> Finished:
    return await run(
        "run_collection.py",
        *line.split(),
        environment={
            **pointed_at(server),
            "DATASET_PATH": str(write_dataset(tmp_path / "data", CATEGORIES)),
            "OUTPUT_DIR": str(tmp_path / "out"),
        },
        folder=tmp_path,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("line", "calls"), list(zip(COLLECTIONS, CALLS, strict=True)))
async def test_a_collection_of_the_guide(tmp_path: Path, line: str, calls: int | None) -> None:
    async with ProviderServer() as server:
        finished = await collection(tmp_path, server, line)
        assert finished.exit_code == 0, finished.output
        assert calls is None or len(server.requests) == calls
    progress = json.loads((finished.session / "progress.json").read_text())
    assert progress["status"] == "completed"
    assert progress["current_progress"]["successful_tasks"] == len(server.requests)
    if "--log-file" in line:
        assert "collection" in (tmp_path / "collection.log").name
        assert (tmp_path / "collection.log").stat().st_size > 0


@pytest.mark.parametrize(
    ("line", "models", "tasks"),
    [
        pytest.param(
            *("--dry-run", "['gpt-5.6-terra', 'claude-haiku-4-5-20251001']", 12),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("--dry-run --models gpt-4 claude-3-sonnet", "['gpt-4', 'claude-3-sonnet']", 12),
            marks=pytest.mark.slow,
        ),
        ("--models gpt_4 --dry-run", "['gpt-4']", 6),
    ],
)
async def test_a_dry_run_says_what_the_guide_shows_and_sends_nothing(
    tmp_path: Path, line: str, models: str, tasks: int
) -> None:
    async with ProviderServer() as server:
        finished = await collection(tmp_path, server, line)
        assert finished.exit_code == 0, finished.output
        assert server.requests == []
    for said in (
        "INFO - Initializing models...",
        f"models: {models}",
        "INFO - Loading dataset...",
        "INFO - Loaded 6 problems",
        f"INFO - Total tasks to complete: {tasks}",
        "INFO - Dry run completed successfully",
    ):
        assert said in finished.stdout
    assert not (tmp_path / "out").exists()


async def test_the_list_of_models_marks_what_can_be_used(tmp_path: Path) -> None:
    finished = await run("run_collection.py", "--list-models", environment={"XAI_API_KEY": "x"})
    assert finished.exit_code == 0
    models, keys, marks = finished.stdout.split("\n\n")
    assert models.startswith("Available models:\n")
    assert re.search(r"^  gpt_4 \(openai\) ✗", models, re.MULTILINE)
    assert re.search(r"^  claude-4-sonnet \(anthropic\) ✗", models, re.MULTILINE)
    assert re.search(r"^  grok-4\.7 \(xai\) ✓", models, re.MULTILINE)
    assert re.search(r"^  smollm2_135m \(local\) [✓✗]", models, re.MULTILINE)
    assert keys.splitlines()[0] == "API Key Status:"
    assert marks.startswith("✓ ready: its key is set, or it needs none\n✗ ")
    assert "  XAI_API_KEY: ✓" in keys and "  OPENAI_API_KEY: ✗" in keys


async def test_listing_models_imports_no_sdk() -> None:
    """Its promise of 0.3 s rests on this; the time itself is a benchmark's affair."""
    code = (
        "import sys; sys.argv = ['run_collection.py', '--list-models']\n"
        "from scripts.run_collection import main; main()\n"
        "heavy = {'aiohttp', 'openai', 'anthropic', 'google.genai', 'pydantic', 'tqdm'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        cwd=ROOT,
        env=bare_environment(),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


@pytest.mark.slow
async def test_sessions_can_be_listed_shown_and_resumed(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        session = (await collection(tmp_path, server, COLLECTIONS[9])).session
        environment = {**pointed_at(server), "OUTPUT_DIR": str(tmp_path / "out")}
        listed = await run("resume_collection.py", "--list-sessions", environment=environment)
        shown = await run("resume_collection.py", session.name, "--status", environment=environment)
        resumed = await run("resume_collection.py", session.name, environment=environment)
        assert len(server.requests) == 1
    assert listed.exit_code == shown.exit_code == resumed.exit_code == 0
    assert re.search(rf"{session.name} +completed .* 1/1 +0 +gpt-4$", listed.stdout, re.MULTILINE)
    assert f"Session {session.name}: completed" in shown.stdout
    assert re.search(r"^gpt-4 +1 +1 +0 +0$", shown.stdout, re.MULTILINE)
    assert "is finished" in resumed.stdout
