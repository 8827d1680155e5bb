"""Batches through kills: wherever one comes, no answer is lost and none is paid for twice."""

from pathlib import Path

import pytest

from storage.records.batch_ledger import BatchLedger
from tests.support.batch_server.batch_wire import BatchWire
from tests.support.batch_server.openai_server import OpenAIBatchServer
from tests.support.batch_session import twice_billed
from tests.support.command import Finished, pointed_at
from tests.support.datasets import write_dataset
from tests.support.killed_steps import NEVER, WRAPPER
from tests.support.program import Program
from tests.support.session_check import check_agreement, read_object
from tests.support.slow import few
from tests.support.watched_server import WatchedServer

TASKS = 5
# Two batches of three and two: money, six lines of the ledger and money for each, five answers.
STEPS = 2 * (1 + 6 + 1) + TASKS
MOMENTS = [(step, when) for step in range(1, STEPS + 1) for when in ("before", "after")]


class KilledSession:
    """One session of batches, whose processes can be killed at any step."""

    def __init__(self, server: WatchedServer, folder: Path, model: str = "gpt-4o") -> None:
        self.folder = folder / "out" / "s"
        self._environment = pointed_at(server)
        self._out = ("--output-dir", str(folder / "out"))
        dataset = write_dataset(folder / "data", {"sums": TASKS})
        self._first = (
            *("run_collection.py", "--models", model, "--dataset-path", str(dataset)),
            *("--session-id", "s", "--extraction", "regex", "--batch", "--batch-requests", "3"),
        )

    async def start(self, step: int = NEVER, when: str = "before") -> Program:
        """Start a run that is killed before or after a step."""
        resumed = self.folder.exists()
        command = ("resume_collection.py", "s") if resumed else self._first
        return await Program.start(
            *(*command, *self._out),
            environment=self._environment,
            wrapper=WRAPPER,
            wrapped_in=(str(step), when),
        )

    async def finish(self) -> Finished:
        """Run it to its end."""
        return await (await self.start()).finished()

    def check(self, server: OpenAIBatchServer | BatchWire) -> None:
        """Fail unless each task has one answer, sold once, and every file agrees."""
        answers = check_agreement(self.folder)
        assert len(answers) == TASKS
        assert not twice_billed(server)
        assert sum(server.billed.values()) == TASKS
        ledger = BatchLedger(self.folder)
        assert ledger.unsettled() == []
        spending = read_object(self.folder / "spending.json")
        cost_usd = sum(record["cost_usd"] for record in answers.values())
        assert spending["committed_usd"] == pytest.approx(cost_usd)
        # Of what was never sent, only what may have been is still reserved.
        lost = {batch.token for batch in ledger if batch.step == "lost"}
        assert spending["held_usd"].keys() == lost


@pytest.mark.parametrize("moment", few(MOMENTS[::-1][20:] + MOMENTS[::-1][:20], 1))
async def test_a_kill_at_any_step_loses_nothing_and_pays_nothing_twice(
    tmp_path: Path, moment: tuple[int, str]
) -> None:
    async with OpenAIBatchServer() as server:
        session = KilledSession(server, tmp_path)
        killed = await (await session.start(*moment)).finished()
        assert killed.exit_code == -9, killed.output
        finished = await session.finish()
        assert finished.exit_code == 0, finished.output
        assert "Traceback" not in killed.output + finished.output
        session.check(server)


@pytest.mark.slow
@pytest.mark.parametrize("gate", ["upload", "create", "poll", "content"])
async def test_a_kill_while_the_provider_works_loses_nothing(tmp_path: Path, gate: str) -> None:
    async with OpenAIBatchServer() as server:
        session = KilledSession(server, tmp_path)
        for times in (1, 2, 3):
            server.close(gate)
            passed = server.passed[gate]
            program = await session.start()
            await program.ended_or(server.comes_to(gate, passed + 1))
            await program.killed()
            server.open_gate(gate)
            assert times
        finished = await session.finish()
        assert finished.exit_code == 0, finished.output
        session.check(server)


@pytest.mark.slow
async def test_a_run_that_is_killed_again_and_again_comes_to_an_end(tmp_path: Path) -> None:
    async with OpenAIBatchServer() as server:
        session = KilledSession(server, tmp_path)
        for number in range(20):
            # Fewer than eight steps may be one batch dropped and another one planned.
            program = await session.start(8 + number % 3, "after")
            ended = await program.finished()
            if ended.exit_code == 0:
                break
            assert ended.exit_code == -9, ended.output
        session.check(server)
