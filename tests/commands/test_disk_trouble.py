"""Disks and systems that refuse during a run, in real processes: one line, exit 1, a way on."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Finished
from tests.support.datasets import write_dataset
from tests.support.program import MODELS, Collection, open_files_of, possibly_billed
from tests.support.provider_server import Answer, Request
from tests.support.session_check import answers_in, check_agreement
from tests.support.slow import few
from tests.support.small_disk import file_system_of
from tests.support.watched_server import WatchedServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits or mounts")
AT_ONCE = 2
FLAGS = ("--max-concurrent", str(AT_ONCE))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of a real file system of 192 KiB."""
    with file_system_of(192, tmp_path / "small") as folder:
        yield folder


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def error_line(finished: Finished, *words: str) -> None:
    """The command ended with exit code 1 and one line on stderr that holds these words."""
    assert finished.exit_code == 1, finished.output
    lines = finished.stderr.splitlines()
    assert len(lines) == 1, finished.output
    line = lines[0]
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    assert "Traceback" not in finished.output
    assert "scripts/resume_collection.py s" in finished.stdout


async def to_the_end(collection: Collection, tasks: int) -> Finished:
    """Resume without trouble; every task is answered once then, and every file agrees."""
    resumed = await (await collection.resume()).finished()
    assert resumed.exit_code == 0, resumed.output
    assert len(check_agreement(collection.session)) == tasks
    return resumed


@pytest.mark.slow
async def test_a_disk_that_fills_up(tmp_path: Path, small_disk: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 60})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, small_disk, *FLAGS)
        log = small_disk / "run.log"
        finished = await (await collection.start("--log-file", str(log))).finished()
        error_line(finished, "No space left on device", "make room, then resume the session")
        kept = set(answers_in(collection.session))
        assert 10 < len(kept) < 180
        lost = server.given_in_all - len(kept)
        assert lost <= AT_ONCE * len(MODELS)
        again = await (await collection.resume()).finished()  # it still is full
        error_line(again, "No space left on device")
        assert kept <= set(answers_in(collection.session))
        remount(small_disk, "size=16m")
        await to_the_end(collection, 180)
    assert sum(count - 1 for count in server.given.values()) <= 2 * AT_ONCE * len(MODELS)


@pytest.mark.slow
async def test_a_read_only_disk(tmp_path: Path, small_disk: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 4})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, small_disk, *FLAGS)
        remount(small_disk, "ro")
        finished = await (await collection.start()).finished()
        assert finished.exit_code == 1
        (line,) = finished.stderr.splitlines()
        assert "Read-only file system" in line and "Make the folder writable" in line
        remount(small_disk, "rw")
        program = await collection.start()
        await server.has_given(3)
        await program.killed()
        kept = answers_in(collection.session)
        remount(small_disk, "ro")
        error_line(await (await collection.resume()).finished(), "Read-only file system")
        assert answers_in(collection.session) == kept
        remount(small_disk, "rw")
        await to_the_end(collection, 12)


@pytest.mark.slow
async def test_a_file_in_the_way_keeps_the_answers_of_the_other_models(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 4})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, tmp_path / "out", *FLAGS)
        server.open.clear()
        program = await collection.start()
        await server.has_got(AT_ONCE * len(MODELS))
        (collection.session / MODELS[0]).write_text("in the way")
        arrived = server.arrived
        server.open.set()
        finished = await program.finished()
        error_line(finished, "A file is in the way of a folder")
        # What was in flight came back and was written where it could be; nothing more was sent.
        assert server.arrived == arrived
        assert len(answers_in(collection.session)) == AT_ONCE * (len(MODELS) - 1)
        assert f"{AT_ONCE} answers arrived and could not be written" in finished.stdout
        (collection.session / MODELS[0]).unlink()
        assert possibly_billed(await to_the_end(collection, 12)) == AT_ONCE


class PausingServer(WatchedServer):
    """Closes its gate after so many answers."""

    def __init__(self, pause_after: int) -> None:
        super().__init__()
        self._pause_after = pause_after

    def _next_answer(self, call: Request) -> Answer:
        answer = super()._next_answer(call)
        if self.given_in_all == self._pause_after:
            self.open.clear()
        return answer


@pytest.mark.slow
@pytest.mark.parametrize("gone", few(["folder", "file", "cut short"], 1))
async def test_answers_that_are_deleted_during_a_run_are_missed(tmp_path: Path, gone: str) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 6, "texts": 6})
    async with PausingServer(pause_after=9) as server:
        collection = Collection(server, dataset, tmp_path / "out", "--max-concurrent", "1")
        program = await collection.start()
        await server.holds(len(MODELS))  # so everything before is written
        folder = collection.session / MODELS[0]
        written = {key for key in answers_in(collection.session) if key[0] == MODELS[0]}
        assert written
        if gone == "folder":
            shutil.rmtree(folder)
        elif gone == "file":
            (folder / "sums.jsonl").unlink()
        else:
            (folder / "sums.jsonl").write_bytes(b"")
        server.open.set()
        finished = await program.finished()
        assert finished.exit_code == 1, finished.output
        assert "Traceback" not in finished.output
        assert f"{len(written)} answers of {MODELS[0]} are gone" in finished.stdout
        assert f"{len(written)} tasks undone" in finished.stdout
        assert len(check_agreement(collection.session)) == 12 * len(MODELS) - len(written)
        await to_the_end(collection, 12 * len(MODELS))
    asked_twice = {task for (_, task), count in server.given.items() if count > 1}
    assert asked_twice == {task for _, task in written}


@pytest.mark.slow
async def test_a_file_size_limit(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 20})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, tmp_path / "out", *FLAGS)
        server.open.clear()
        program = await collection.start()
        await server.has_got(1)
        resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (9_000, 9_000))
        server.open.set()
        error_line(await program.finished(), "File too large", "ulimit -f")
        kept = len(answers_in(collection.session))
        assert kept > 5
        await to_the_end(collection, 60)
    assert sum(count - 1 for count in server.given.values()) <= AT_ONCE * len(MODELS)


@pytest.mark.slow
async def test_too_many_open_files_loses_no_answer(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 20})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, tmp_path / "out", *FLAGS)
        server.open.clear()
        program = await collection.start()
        await server.has_got(AT_ONCE * len(MODELS))
        limit = open_files_of(program.pid)
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (limit, limit))
        server.open.set()
        error_line(await program.finished(), "Too many open files", "ulimit -n")
        assert len(answers_in(collection.session)) == server.given_in_all == AT_ONCE * len(MODELS)
        resumed = await to_the_end(collection, 60)
    assert possibly_billed(resumed) == 0
    assert set(server.given.values()) == {1}
