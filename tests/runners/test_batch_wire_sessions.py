"""Sessions in the batches of Anthropic, Gemini, Together and xAI, whole runs in this process."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_bench import WIRES
from tests.support.batch_server.anthropic_server import AnthropicBatchServer
from tests.support.batch_server.batch_wire import BatchWire
from tests.support.batch_server.google_server import GoogleBatchServer
from tests.support.batch_server.mischief import Mischief
from tests.support.batch_session import BatchSession, hasty_limits, twice_billed
from tests.support.provider_formats import FORMATS
from tests.support.session_check import check_agreement

TIMES = {"batch", "cost_usd", "execution_time", "timestamp", "wait_time", "request_id"}


@pytest.fixture(params=sorted(WIRES))
def wire(request: pytest.FixtureRequest) -> Iterator[str]:
    wire = str(request.param)
    with hasty_limits(wire):
        yield wire


@pytest.fixture
async def server(wire: str) -> AsyncIterator[BatchWire]:
    async with WIRES[wire][0]() as server:
        yield server


def session_of(server: BatchWire, folder: Path, **settings: Any) -> BatchSession:
    return BatchSession(server, folder, models=(WIRES[server.provider][1],), **settings)


async def test_a_session_in_batches_has_the_records_of_a_live_one(
    server: BatchWire, tmp_path: Path
) -> None:
    session = session_of(server, tmp_path, batch_requests=3, tier="flex")
    outcome = await session.run()
    assert outcome.status == "completed"
    answers = check_agreement(session.folder)
    assert len(answers) == 5 and server.requests == []
    assert len([batch for batch in server.batches.values() if batch.requests]) == 2
    live = session_of(server, tmp_path / "live", batch=False)
    await live.run()
    for key, one in answers.items():
        other = live.answers[key]
        assert {name for name in other if other[name] != one[name]} <= TIMES
        assert one["batch"]["id"] in server.batches
    assert set(server.billed.values()) == {2}  # once in a batch, once live


async def test_what_was_not_answered_is_asked_again_in_another_way(
    server: BatchWire, tmp_path: Path
) -> None:
    rows = {1: "refused", 2: "overloaded", 3: "not run", 4: "missing"}
    server.mischief.append(Mischief(rows=rows))  # type: ignore[arg-type]
    session = session_of(server, tmp_path, problems=8)
    outcome = await session.run()
    assert (outcome.failed, outcome.undone) == (1, 0)
    answers = check_agreement(session.folder)
    assert len(answers) == 7 and not twice_billed(server)
    asked_live = {task for (_, task), answer in answers.items() if answer["batch"] is None}
    assert asked_live == {"sums_2", "sums_3", "sums_4"}
    ((_, failed),) = session.failures
    assert failed == "sums_1"


async def test_a_batch_that_expires_before_it_is_run_is_made_again(
    server: BatchWire, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(ends="expired"))
    session = session_of(server, tmp_path, problems=25)
    assert (await session.run()).status == "completed"
    answers = check_agreement(session.folder)
    assert len(answers) == 25 and not twice_billed(server)
    assert all(answer["batch"] for answer in answers.values())


@pytest.mark.parametrize("creation", ["reply lost", "request lost"])
async def test_a_create_without_a_reply_is_neither_lost_nor_paid_for_twice(
    server: BatchWire, tmp_path: Path, creation: str
) -> None:
    server.mischief.append(Mischief(creation=creation, unlisted=1))  # type: ignore[arg-type]
    session = session_of(server, tmp_path)
    patience = {"absent_seconds": 600.0} if creation == "reply lost" else {}
    with hasty_limits(server.provider, **patience):
        assert (await session.run()).status == "completed"
    assert len(check_agreement(session.folder)) == 5
    assert not twice_billed(server)


async def test_a_detached_run_is_come_back_to(server: BatchWire, tmp_path: Path) -> None:
    server.mischief.append(Mischief(polls=3))
    session = session_of(server, tmp_path)
    outcome = await session.run(detach=True)
    assert outcome.undone == 5
    assert (await session.run()).status == "completed"
    assert len(check_agreement(session.folder)) == 5 and not twice_billed(server)


async def test_a_cancelled_session_keeps_what_was_finished(
    server: BatchWire, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(polls=99, rows={1: "answered"}))
    session = session_of(server, tmp_path)
    await session.run(detach=True)
    await session.run(cancel=True)
    assert server.cancels == 1
    kept = 0 if server.provider == "google" else 1
    assert len(session.answers) == kept
    assert (await session.run()).status == "completed"
    assert len(check_agreement(session.folder)) == 5
    # Whether Gemini bills what cannot be read is not known: it is counted at its worst.
    assert session.spending["committed_usd"] >= session.answers_usd - 1e-9


async def test_a_colleagues_batch_is_neither_taken_nor_cancelled(tmp_path: Path) -> None:
    with hasty_limits("anthropic"):
        async with AnthropicBatchServer() as server:
            server.mischief.append(Mischief(creation="request lost"))
            theirs = server.colleague_makes(5, Mischief(polls=8))
            session = session_of(server, tmp_path)
            assert (await session.run()).status == "completed"
            answers = check_agreement(session.folder)
            assert {server.billed[key] for key in answers} == {1} and len(answers) == 5
            assert theirs.state == "completed" and server.cancels == 0
            assert "found" in session.steps and "not_ours" in session.steps


async def test_what_may_be_a_colleagues_is_not_cancelled_even_if_asked(tmp_path: Path) -> None:
    with hasty_limits("anthropic"):
        async with AnthropicBatchServer() as server:
            server.mischief.append(Mischief(creation="request lost"))
            theirs = server.colleague_makes(5, Mischief(polls=6))
            session = session_of(server, tmp_path)
            await session.run(detach=True)
            assert "found" in session.steps and theirs.state == "running"
            await session.run(cancel=True)
            assert theirs.state == "completed" and server.cancels == 0
            assert session.answers == {}
            assert (await session.run()).status == "completed"
            assert len(check_agreement(session.folder)) == 5


async def test_creates_without_a_reply_that_share_a_key_are_told_apart(tmp_path: Path) -> None:
    models = ("claude-haiku-5-5", "claude-sonnet-5-5")
    with hasty_limits("anthropic"):
        async with AnthropicBatchServer() as server:
            server.mischief += [Mischief(creation="reply lost") for _ in range(3)]
            session = BatchSession(server, tmp_path, models=models)
            assert (await session.run()).status == "completed"
            assert len(check_agreement(session.folder)) == 10 and not twice_billed(server)
            # No two that may be taken for each other were on their way at once.
            sizes = [len(batch.requests) for batch in server.batches.values()]
            assert sorted(sizes)[-2:] == [4, 5] and server.cancels == 0


async def test_a_queue_that_is_full_at_the_create_is_waited_for(tmp_path: Path) -> None:
    with hasty_limits("google"):
        async with GoogleBatchServer() as server:
            full = FORMATS["google"].error(429, "The queue is full.")
            server.refusals += [(429, full) for _ in range(12)]
            session = session_of(server, tmp_path)
            assert (await session.run()).status == "completed"
            assert len(server.batches) == 1 and not twice_billed(server)
