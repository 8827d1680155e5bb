"""One collection in shards on several machines, joined again by merge_sessions.py."""

from pathlib import Path

import pytest

from tests.support.command import Finished, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.program import PROVIDERS
from tests.support.session_check import check_agreement, read_object
from tests.support.watched_server import WatchedServer

GROK, DEEPSEEK = "grok-4.3", "deepseek-flash-chat"


async def collect(
    tmp_path: Path, server: WatchedServer, session: str, *flags: str, models: str = GROK
) -> Finished:
    dataset = write_dataset(tmp_path / "data", {"a": 3, "b": 3})
    return await run(
        "run_collection.py",
        *("--models", *models.split(), "--dataset-path", str(dataset), "--session-id", session),
        *("--output-dir", str(tmp_path / "out"), "--extraction", "regex", *flags),
        environment=pointed_at(server, *PROVIDERS),
    )


async def command(script: str, tmp_path: Path, server: WatchedServer, *arguments: str) -> Finished:
    output = ("--output-dir", str(tmp_path / "out"))
    return await run(script, *arguments, *output, environment=pointed_at(server, *PROVIDERS))


@pytest.mark.slow
async def test_a_shard_asks_its_share_and_says_so_everywhere(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        dry = await collect(tmp_path, server, "s", "--shard", "2/2", "--dry-run")
        ran = await collect(tmp_path, server, "s", "--shard", "2/2", "--samples", "2")
        status = await command("resume_collection.py", tmp_path, server, "s", "--status")
        listed = await command("resume_collection.py", tmp_path, server, "--list-sessions")
        again = await command("resume_collection.py", tmp_path, server, "s")
        more = await command("resume_collection.py", tmp_path, server, "s", "--samples", "3")
    assert [each.exit_code for each in (dry, ran, status, listed, again, more)] == [0] * 6
    session = tmp_path / "out" / "s"
    share = {task for _, task in server.given}
    assert 0 < len(share) < 6
    assert set(server.given.values()) == {3}
    said = f"Shard 2/2: {len(share)} of the 6 problems"
    assert said in dry.stdout and said in ran.stdout and said in more.stdout
    assert f"Shard 2/2: {len(share)} of 6 problems" in status.stdout
    assert f"shard 2/2: {GROK}" in listed.stdout
    assert "is finished" in again.stdout
    described = read_object(session / "summary.json")["collection_metadata"]
    assert (described["shard"], described["total_problems"]) == ("2/2", len(share))
    assert len(check_agreement(session)) == 3 * len(share)


async def test_an_empty_shard_is_said_and_makes_no_session(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        for flags in ((), ("--dry-run",)):
            finished = await collect(tmp_path, server, "s", "--shard", "1/1000", *flags)
            assert finished.exit_code == 0, finished.output
            assert "Shard 1/1000 holds no problem: nothing was sent" in finished.stdout
    assert server.requests == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("typo", ["0/4", "5/4", "x"])
async def test_a_typo_in_a_shard_is_one_line(typo: str, tmp_path: Path) -> None:
    finished = await run("run_collection.py", "--shard", typo, "--dry-run")
    assert finished.exit_code == 2
    (line,) = [line for line in finished.stderr.splitlines() if "shard" in line]
    assert f"'{typo}'" in line
