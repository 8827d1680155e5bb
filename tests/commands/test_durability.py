"""kill -9 at random moments, in real processes: every answer that was written is there, once."""

import random
from pathlib import Path

import pytest

from benchmarks import soak, soak_batches
from tests.support.command import Finished
from tests.support.datasets import write_dataset
from tests.support.program import MODELS, Collection, possibly_billed
from tests.support.session_check import answers_in, check_agreement
from tests.support.watched_server import WatchedServer


class Kills:
    """Runs a collection, ends it at random moments, and keeps count of what must hold."""

    def __init__(self, server: WatchedServer, collection: Collection, dice: random.Random) -> None:
        self.said = 0
        self.lost = 0
        self._server = server
        self._collection = collection
        self._dice = dice
        self._written: set[tuple[str, str]] = set()

    async def run(self, tasks: int, kills: int) -> Finished:
        """Return the run that came to the end after so many kills."""
        program = await self._collection.start()
        for _ in range(kills):
            await self._server.has_given(self._moment(tasks, kills))
            self._count(await program.killed())
            program = await self._collection.resume()
        finished = await program.finished()
        self._count(finished)
        return finished

    def _moment(self, tasks: int, kills: int) -> int:
        return self._server.given_in_all + self._dice.randrange(1, tasks // (kills + 1))

    def _count(self, finished: Finished) -> None:
        """A run has ended: what was written before it must still be there."""
        assert "Traceback" not in finished.output
        self.said += possibly_billed(finished)
        written = set(answers_in(self._collection.session))
        self.lost += len(self._written - written)
        self._written = written


async def storm(tmp_path: Path, server: WatchedServer, problems: int, kills: int) -> None:
    third = problems // 3
    dataset = write_dataset(tmp_path / "data", {"a": third, "b": third, "c": problems - 2 * third})
    tasks = problems * len(MODELS)
    collection = Collection(server, dataset, tmp_path / "out", "--max-concurrent", "4")
    runs = Kills(server, collection, random.Random(kills))
    finished = await runs.run(tasks, kills)
    assert finished.exit_code == 0, finished.output
    answers = check_agreement(collection.session)
    assert len(answers) == tasks
    assert runs.lost == 0
    asked_twice = sum(count - 1 for count in server.given.values())
    assert asked_twice <= runs.said <= kills * 4 * len(MODELS)


@pytest.mark.slow
async def test_five_random_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        await storm(tmp_path, server, problems=100, kills=5)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["deleted", "cut short"])
async def test_a_kill_whose_progress_file_is_lost_is_known_too(tmp_path: Path, damage: str) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 20})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, tmp_path / "out", "--max-concurrent", "2")
        program = await collection.start()
        await server.has_given(10)
        await program.killed()
        progress = collection.session / "progress.json"
        if damage == "deleted":
            progress.unlink()
        else:
            progress.write_bytes(progress.read_bytes()[:100])
        resumed = await (await collection.resume()).finished()
    assert resumed.exit_code == 0, resumed.output
    assert possibly_billed(resumed) == 2 * len(MODELS)
    assert sum(count - 1 for count in server.given.values()) <= 2 * len(MODELS)
    assert len(check_agreement(collection.session)) == 20 * len(MODELS)


@pytest.mark.slow
async def test_a_storm_of_kills_faults_and_damage(tmp_path: Path) -> None:
    """A short form of `make soak`."""
    count, hostile = await soak.storm(tmp_path, tasks=900, kills=12, seed=7)
    assert hostile
    assert soak.holds(count), count
    assert (count.lost, count.doubled, count.tracebacks) == (0, 0, [])
    assert count.kills == 12 and count.interrupts + count.refusals + count.damages


@pytest.mark.slow
@pytest.mark.parametrize("answers_before_the_kill", [0, 1])
async def test_a_kill_in_the_first_moments_is_known_to_the_resume(
    tmp_path: Path, answers_before_the_kill: int
) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 12})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, tmp_path / "out", "--max-concurrent", "3")
        program = await collection.start()
        await server.has_given(answers_before_the_kill)
        await server.has_got(1)
        await program.killed()
        resumed = await (await collection.resume()).finished()
    assert resumed.exit_code == 0, resumed.output
    assert possibly_billed(resumed) == 3 * len(MODELS)
    assert "possibly billed" in resumed.stdout
    assert len(check_agreement(collection.session)) == 12 * len(MODELS)


@pytest.mark.slow
async def test_batches_through_kills() -> None:
    assert await soak_batches.soak(kills=10, seed=3)
