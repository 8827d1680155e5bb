"""Every command that README prints is run, and what it says of files is so."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.batch_server.anthropic_server import AnthropicBatchServer
from tests.support.batch_server.openai_server import OpenAIBatchServer
from tests.support.command import ROOT, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_server import ProviderServer
from tests.support.view_page import view

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
LINES = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line]
COMMANDS = [line for line in LINES if re.match(r"(\.venv/bin/)?python scripts/", line)]
OTHERS = [line for line in LINES if line not in COMMANDS]
SESSIONS = ("session_1", "session_2", "session_1795422699")


@pytest.mark.slow
async def test_the_embedded_model_needs_no_key_to_be_planned(tmp_path: Path) -> None:
    (first,) = [line for line in COMMANDS if "smollm2_135m" in line]
    finished = await run(*arguments_of(first), "--dry-run", "--output-dir", str(tmp_path))
    assert finished.exit_code == 0, finished.output
    assert "Total tasks to complete: 24" in finished.stdout


@pytest.mark.slow
async def test_every_command_works(tmp_path: Path) -> None:
    async with ProviderServer() as server, OpenAIBatchServer() as a, AnthropicBatchServer() as b:
        batches = {**pointed_at(a, "openai"), **pointed_at(b, "anthropic")}
        environment = {
            **pointed_at(server),
            "DATASET_PATH": str(write_dataset(tmp_path / "data", {"sums": 2, "words": 1})),
            "OUTPUT_DIR": str(tmp_path / "out"),
        }
        for session in SESSIONS:
            made = await run(
                "run_collection.py",
                *("--models", "grok-4.7", "--session-id", session),
                environment=environment,
            )
            assert made.exit_code == 0, made.output
        for line in COMMANDS:
            if "scripts/view.py" in line:
                async with view(tmp_path / "out"):  # it goes on until Ctrl-C
                    pass
            elif "smollm2_135m" not in line:
                sold = batches if "--batch" in line else {}
                finished = await run(*arguments_of(line), environment={**environment, **sold})
                assert finished.exit_code == 0, (line, finished.output)


def test_what_is_no_command_of_ours_is_done_by_the_makefile_too() -> None:
    makefile = (ROOT / "Makefile").read_text() + (ROOT / ".ci" / "run").read_text()
    for line in OTHERS:
        if line.startswith("make "):
            assert f"\n{line.removeprefix('make ')}:" in makefile, line
        elif line.startswith(".venv/bin/python -m pip install "):
            assert line.rpartition("install ")[2] in makefile, line
        else:
            assert line in ("python3 -m venv .venv", "cp .env.example .env"), line


def test_readme_stays_within_three_screens_and_links_to_what_exists() -> None:
    assert README.count("\n") <= 150
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links and [link for link in links if not (ROOT / link).exists()] == []


def arguments_of(line: str) -> list[str]:
    """Return a line's script and arguments."""
    words = shlex.split(line)
    return [words[1].removeprefix("scripts/"), *words[2:]]
