"""What --status and --watch show of a session that runs, was killed, has ended."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from storage.sessions import create_session
from tests.support.command import ROOT, Command, bare_environment, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_server import Answer, ProviderServer
from tests.support.store_records import metadata
from tests.support.terminal import Terminal
from tests.support.watched_server import WatchedServer

TASKS = 8
HANGING = Answer(ending="never")
REFUSED = Answer(status=400, body={"code": "Client error", "error": "not this one"})


async def resume_script(out: Path, server: ProviderServer, *arguments: str) -> str:
    finished = await run(
        "resume_collection.py",
        *("s", "--output-dir", str(out), *arguments),
        environment=pointed_at(server, "xai"),
    )
    return finished.output


async def collecting(folder: Path, server: ProviderServer) -> Command:
    dataset = write_dataset(folder / "data", {"sums": TASKS})
    return await Command.start(
        "run_collection.py",
        *("--models", "grok-4.3", "--dataset-path", str(dataset), "--session-id", "s"),
        *("--output-dir", str(folder / "out")),
        environment=pointed_at(server, "xai"),
    )


def watching(terminal: Terminal, out: Path) -> asyncio.Task[int]:
    script = "scripts/resume_collection.py"
    command = [sys.executable, script, "s", "--watch", "--output-dir", str(out)]
    return asyncio.create_task(terminal.run(command, bare_environment(), ROOT))


@pytest.mark.slow
async def test_status_and_watch_follow_a_session_to_its_end(tmp_path: Path) -> None:
    out, terminal = tmp_path / "out", Terminal(80, 24)
    async with WatchedServer() as server:
        server.script("xai", Answer(), Answer(), *[HANGING] * TASKS)
        running = await collecting(tmp_path, server)
        await server.has_got(5)
        view = watching(terminal, out)
        await terminal.shows_what(lambda text: "grok-4.3         2      2       0       6" in text)
        await terminal.shows("It is being run now.")
        assert terminal.text.count("Session s: running, started") == 1
        assert "Ctrl-C ends this view, not the run" in terminal.text
        assert "It is being run now." in await resume_script(out, server, "--status")
        assert " running " in await resume_script(out, server, "--list-sessions")
        running.send(signal.SIGKILL)
        await running.finished()
        assert await view == 0
        assert " interrupted " in await resume_script(out, server, "--list-sessions")
        assert terminal.text.count("Session s:") == 1 and "It is not running." in terminal.text
        assert "Session s: interrupted, 6 undone, started" in terminal.text
        killed = await resume_script(out, server, "--status")
        assert re.search(
            r"up to \d calls may be billed without an answer. To continue:\n  \S*python", killed
        )

    async with ProviderServer() as server:
        server.script("xai", REFUSED)
        await resume_script(out, server)
        ended = await resume_script(out, server, "--watch")
    assert "Session s: completed, 1 failed, started" in ended
    assert "grok-4.3         7      7       1       0" in ended
    assert "grok-4.3: last failure: BadRequest: xai answered 400" in ended
    assert re.search(r"To try the failed tasks again:\n  \S*python \S*resume_collection", ended)
    assert f"Results: {out / 's'}" in ended and "\x1b" not in ended


@pytest.mark.slow
async def test_a_view_ends_where_another_process_has_the_holders_id(tmp_path: Path) -> None:
    store = create_session(tmp_path, "s", metadata())
    (store.path / "session.lock").write_text(f"{os.getpid()}\n")  # alive, but it holds nothing
    async with asyncio.timeout(60):
        seen = await run("resume_collection.py", "s", "--watch", "--output-dir", str(tmp_path))
    assert seen.exit_code == 0 and "It is not running." in seen.stdout


@pytest.mark.slow
async def test_ctrl_c_ends_the_view_alone(tmp_path: Path) -> None:
    out, terminal = tmp_path / "out", Terminal(80, 24)
    async with WatchedServer() as server:
        server.script("xai", *[HANGING] * 3)
        running = await collecting(tmp_path, server)
        await server.has_got(3)
        view = watching(terminal, out)
        await terminal.shows("It is being run now.")
        terminal.send(signal.SIGINT)
        assert await view == 0 and "interrupted" not in terminal.text
        assert "It is being run now." in await resume_script(out, server, "--status")
        running.send(signal.SIGKILL)
        await running.finished()
