"""Which models a command line means, what is asked of whom, and what is asked back first."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ROOT, Finished, bare_environment, pointed_at, run
from tests.support.datasets import problem_row, write_dataset
from tests.support.provider_server import Answer, ProviderServer
from tests.support.tables import cells
from tests.support.terminal import Terminal

REFUSED = Answer(status=400, body={"code": "Client error", "error": "not this one"})
STAND_IN = "gpt-5.6-terra stands in for gpt-3.5-turbo, retired 2026-10-23"


def flags(tmp_path: Path, count: int = 1) -> tuple[str, ...]:
    dataset = write_dataset(tmp_path / "data", {"sums": count})
    return ("--dataset-path", str(dataset), "--output-dir", str(tmp_path / "out"))


async def collection(tmp_path: Path, server: ProviderServer, *models: str) -> Finished:
    return await run(
        "run_collection.py",
        *("--models", *models, "--session-id", "s", *flags(tmp_path)),
        environment=pointed_at(server, "xai"),
    )


@pytest.mark.slow
async def test_an_api_id_is_sent_as_it_was_typed_also_by_a_resume(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        server.script("xai", REFUSED, REFUSED, REFUSED)
        first = await collection(tmp_path, server, "grok-4-fast", "grok-4", "grok_4.3")
        assert first.exit_code == 1, first.output
        resumed = await resume(tmp_path, server)
    asked = sorted(request.model for request in server.requests)
    assert asked == ["grok-4", "grok-4", "grok-4-fast", "grok-4-fast", "grok-4.3", "grok-4.3"]
    assert resumed.exit_code == 0, resumed.output
    folders = {path.parent.name for path in first.session.glob("*/sums.jsonl")}
    assert folders == {"grok-4", "grok-4-fast", "grok-4.3"}
    [record] = (first.session / "grok-4-fast" / "sums.jsonl").read_text().splitlines()
    assert json.loads(record)["requested_model"] == "grok-4-fast"


@pytest.mark.slow
async def test_a_session_of_before_is_asked_by_the_id_that_it_recorded(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        server.script("xai", REFUSED)
        await collection(tmp_path, server, "grok-4")
        for name in ("manifest.json", "summary.json"):
            forget_ids(tmp_path / "out" / "s" / name)
        resumed = await resume(tmp_path, server)
        assert resumed.exit_code == 0, resumed.output
        assert [request.model for request in server.requests] == ["grok-4", "grok-4-0709"]


async def resume(tmp_path: Path, server: ProviderServer) -> Finished:
    return await run(
        "resume_collection.py",
        *("s", "--output-dir", str(tmp_path / "out")),
        environment=pointed_at(server, "xai"),
    )


def forget_ids(path: Path) -> None:
    """Leave out what sessions did not keep before."""
    content: dict[str, Any] = json.loads(path.read_text())
    metadata = content.get("metadata") or content["collection_metadata"]
    del metadata["session_parameters"]["api_ids"]
    path.write_text(json.dumps(content))


@pytest.mark.slow
@pytest.mark.parametrize("answer", [pytest.param("y", marks=pytest.mark.slow), "n"])
async def test_a_default_says_what_it_costs_and_asks_first(tmp_path: Path, answer: str) -> None:
    terminal = Terminal(80, 40)
    async with ProviderServer() as server:
        command = [sys.executable, "scripts/run_collection.py", *flags(tmp_path)]
        environment = {**bare_environment(), **pointed_at(server, "openai")}
        running = asyncio.create_task(terminal.run(command, environment, ROOT))
        asked = await terminal.shows("Go on? [y/N]")
        assert server.requests == []
        terminal.type(f"{answer}\n")
        assert await running == 0
        assert len(server.requests) == (1 if answer == "y" else 0)
    assert STAND_IN in asked
    assert "1 call: about 0.02 USD expected, 0.20 USD at worst" in asked
    if answer == "n":
        assert "Nothing was sent (--yes starts without asking)" in terminal.text
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("more", [("--yes",), ("--models", "gpt-5.6-terra")])
async def test_what_was_named_or_agreed_to_is_not_asked_about(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    terminal = Terminal(80, 40)
    async with ProviderServer() as server:
        command = [sys.executable, "scripts/run_collection.py", *flags(tmp_path), *more]
        environment = {**bare_environment(), **pointed_at(server, "openai")}
        assert await terminal.run(command, environment, ROOT) == 0
        assert len(server.requests) == 1
    assert "Go on?" not in terminal.text


@pytest.mark.slow
async def test_a_dry_run_needs_no_keys_and_still_prices(tmp_path: Path) -> None:
    finished = await run(
        "run_collection.py", "--dry-run", "--models", "gpt-4o", "grok-4.7", *flags(tmp_path)
    )
    assert finished.exit_code == 0, finished.output
    row = cells(finished.stdout)["gpt-4o"]
    assert row["minutes at least"] == "no key yet: OPENAI_API_KEY"
    assert 0 < float(row["USD expected"]) < float(row["USD at worst"])
    assert cells(finished.stdout)["grok-4.7"]["minutes at least"] == "no key yet: XAI_API_KEY"


@pytest.mark.slow
async def test_a_dry_run_without_keys_shows_the_defaults(tmp_path: Path) -> None:
    finished = await run("run_collection.py", "--dry-run", *flags(tmp_path))
    assert finished.exit_code == 0, finished.output
    assert STAND_IN in finished.stdout and "WARNING" not in finished.output
    assert {"gpt-5.6-terra", "claude-haiku-4-5-20251001"} < cells(finished.stdout).keys()


@pytest.mark.slow
async def test_the_first_prompt_of_each_kind_is_shown_as_it_is_sent(tmp_path: Path) -> None:
    data, out = tmp_path / "data", ("--output-dir", str(tmp_path / "out"))
    data.mkdir()
    kinds = ("function", "function", "class")
    rows = [problem_row(f"sums_{n}", object=kind) for n, kind in enumerate(kinds, start=1)]
    (data / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = ("--models", "grok-4.7", "--dataset-path", str(data), *out)
    shown = await run("run_collection.py", *command, "--show-prompt")
    async with ProviderServer() as server:
        environment = pointed_at(server, "xai")
        await run("run_collection.py", *command, environment=environment)
        sent = [str(request.body["messages"]) for request in server.requests]
    assert shown.exit_code == 0, shown.output
    assert [line for line in shown.stdout.splitlines() if line.startswith("The first")] == [
        "The first prompt for a function (sums_1)",
        "The first prompt for a class (sums_3)",
    ]
    printed = shown.stdout.split("--- system\n")[1:]
    for text, task in zip(printed, ("sums_1", "sums_3"), strict=True):
        system, user = text.split("\n---")[0], text.split("--- user\n")[1].split("\n\nThe first")[0]
        [call] = [call for call in sent if f"the {task} of all" in call]
        assert repr(system)[1:-1] in call
        assert repr(user.removesuffix("\n---"))[1:-1].split("\\n---")[0] in call
