"""Batches as a user meets them: what the commands say while batches are open, and how they end."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGINT

import pytest

from tests.evaluation.layers import best_layer
from tests.evaluation.sessions import records
from tests.support.batch_server.mischief import Mischief
from tests.support.batch_server.openai_server import OpenAIBatchServer
from tests.support.batch_session import twice_billed
from tests.support.command import Finished, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.killed_steps import NEVER, WRAPPER
from tests.support.program import Program
from tests.support.session_check import answers_in, check_agreement
from tests.support.tables import cells

_FOR_EVER = 10**6


@pytest.fixture
async def server() -> AsyncIterator[OpenAIBatchServer]:
    async with OpenAIBatchServer() as server:
        yield server


class Commands:
    """One session's commands, in a hurry with batches."""

    def __init__(self, server: OpenAIBatchServer, folder: Path) -> None:
        self.folder = folder / "out" / "s"
        self.dataset = write_dataset(folder / "data", {"sums": 5})
        self._out = ("--output-dir", str(folder / "out"))
        self._environment = pointed_at(server, "openai", "deepseek")

    async def collecting(self, *more: str) -> Program:
        names = ("--models", "gpt-4o", "deepseek-flash-chat", "--session-id", "s", "--batch")
        return await self._start(
            *("run_collection.py", *names, "--dataset-path", str(self.dataset)),
            *("--extraction", "regex", *more),
        )

    async def resuming(self, *more: str) -> Program:
        return await self._start("resume_collection.py", "s", *more)

    async def collect(self, *more: str) -> Finished:
        return await (await self.collecting(*more)).finished()

    async def resume(self, *more: str) -> Finished:
        return await (await self.resuming(*more)).finished()

    async def _start(self, *command: str) -> Program:
        return await Program.start(
            *(*command, *self._out),
            environment=self._environment,
            wrapper=WRAPPER,
            wrapped_in=(str(NEVER), "before"),
        )


@pytest.mark.slow
async def test_batches_go_on_without_the_program(server: OpenAIBatchServer, tmp_path: Path) -> None:
    server.mischief.append(Mischief(polls=_FOR_EVER))
    commands = Commands(server, tmp_path)
    detached = await commands.collect("--batch-detach")
    assert detached.exit_code == 0, detached.output
    assert "gpt-4o: in batches, at 50% of the live price" in detached.stdout
    assert "deepseek-flash-chat: no batch API of deepseek is known: asked live" in detached.stdout
    assert "gpt-4o: 1 batch open, 5 requests" in detached.stdout
    assert "are billed whether their answers are fetched or not" in detached.stdout
    assert len(answers_in(commands.folder)) == 5  # those that were asked live

    status = await commands.resume("--status")
    assert "gpt-4o: 1 batch open, 5 requests" in status.stdout
    server.batches["batch_0"].mischief.polls = 0
    finished = await commands.resume()
    assert finished.exit_code == 0, finished.output
    assert len(check_agreement(commands.folder)) == 10
    assert not twice_billed(server) and len(server.batches) == 1


@pytest.mark.slow
async def test_a_resume_may_submit_and_leave_too(server: OpenAIBatchServer, tmp_path: Path) -> None:
    server.mischief += [Mischief(polls=_FOR_EVER)] * 2
    commands = Commands(server, tmp_path)
    await commands.collect("--batch-detach")
    more = await commands.resume("--samples", "2", "--batch-detach")
    assert more.exit_code == 0, more.output
    assert "gpt-4o: 2 batches open, 10 requests" in more.stdout
    for batch in server.batches.values():
        batch.mischief.polls = 0
    finished = await commands.resume()
    assert finished.exit_code == 0, finished.output
    assert len(answers_in(commands.folder)) == 20  # of two models, two samples each
    assert sum(server.billed.values()) == 20 and len(server.batches) == 2


@pytest.mark.slow
async def test_answers_of_batches_are_judged_as_they_land(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    best_layer()
    finished = await Commands(server, tmp_path).collect("--evaluate")
    assert finished.exit_code == 0, finished.output
    assert "Answers are judged as they arrive" in finished.stdout
    judged = [(each.model, each.verdict) for each in records(tmp_path / "out" / "s")]
    assert sorted(judged) == [("deepseek-flash-chat", "passed")] * 5 + [("gpt-4o", "passed")] * 5


@pytest.mark.slow
async def test_a_dry_run_shows_the_price_of_a_batch_only_where_there_is_one(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    names = ("gpt-4o", "deepseek-flash-chat", "llama-3.3-70b-instruct-turbo")
    planned = await run("run_collection.py", "--dry-run", "--batch", "--models", *names)
    assert planned.exit_code == 0, planned.output
    prices = cells(planned.stdout)
    live, in_batch = prices["gpt-4o"]["USD expected"], prices["gpt-4o"]["USD in batch"]
    assert float(in_batch) == pytest.approx(float(live) / 2, abs=1e-4)
    assert [prices[name]["USD in batch"] for name in names[1:]] == ["-", "-"]
    assert "deepseek-flash-chat: no batch API of deepseek is known: asked live" in planned.stdout
    assert "discount that the price data lacks: counted in full" in planned.stdout
    assert server.batches == {}


@pytest.mark.slow
async def test_an_interrupt_leaves_batches_running_and_says_how_to_come_back(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(polls=_FOR_EVER))
    commands = Commands(server, tmp_path)
    program = await commands.collecting("--grace", "0.2", "--progress", "json")
    await server.comes_to("poll", 60)  # long enough for a line that a program may read
    program.send(SIGINT)
    interrupted = await program.finished()
    assert interrupted.exit_code == 130, interrupted.output
    assert "results kept until" in interrupted.stdout
    assert "resume_collection.py s" in interrupted.stdout and server.cancels == 0
    lines = [json.loads(line) for line in interrupted.stderr.splitlines()]
    shown = [lane for line in lines for lane in line["models"] if lane["label"] == "gpt-4o"]
    assert any(lane["open_batches"] == 1 and lane["batched_requests"] == 5 for lane in shown)
    assert any("1 batch in_progress" in lane["waiting_because"] for lane in shown)
    status = await commands.resume("--status")
    assert re.search(r"1 batch open, 5 requests \([1-5] done at ", status.stdout), status.stdout


@pytest.mark.slow
async def test_batches_are_cancelled_when_somebody_says_yes(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(polls=_FOR_EVER, rows={1: "answered"}))
    commands = Commands(server, tmp_path)
    await commands.collect("--batch-detach")
    refused = await commands.resume("--cancel-batches")
    assert refused.exit_code == 2 and "add --yes" in refused.stderr and server.cancels == 0
    assert "1 batches of 5 requests" in refused.stdout
    cancelled = await commands.resume("--cancel-batches", "--yes")
    assert cancelled.exit_code == 1 and server.cancels == 1, cancelled.output
    assert len(answers_in(commands.folder)) == 6
    nothing = await commands.resume("--cancel-batches", "--yes")
    assert "nothing to cancel" in nothing.stdout
    finished = await commands.resume()
    assert finished.exit_code == 0 and not twice_billed(server), finished.output


@pytest.mark.slow
async def test_flags_about_batches_need_batches(server: OpenAIBatchServer, tmp_path: Path) -> None:
    for flags in (["--batch-detach"], ["--batch-requests", "5"], ["--batch-only"]):
        refused = await run("run_collection.py", "--models", "gpt-4o", *flags)
        assert refused.exit_code == 2 and f"{flags[0]} says how --batch" in refused.stderr


@pytest.mark.slow
async def test_a_ledger_that_cannot_be_read_is_not_passed_over(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    commands = Commands(server, tmp_path)
    await commands.collect("--batch-detach")
    ledger = commands.folder / "batches.jsonl"
    lines = ledger.read_bytes().split(b"\n")
    ledger.write_bytes(b"\n".join([lines[0], b"{broken", *lines[2:]]))
    refused = await commands.resume()
    assert refused.exit_code == 1 and "line 2 cannot be read" in refused.stderr
    assert "Traceback" not in refused.output and len(server.batches) == 1
