"""Sessions in batches: what comes back, in whatever shape, becomes the records of a live run."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from reports.exports.tidy_table import row_of, row_sources
from storage.sessions import open_session
from tests.support.batch_server.mischief import Creation, Mischief, RowKind
from tests.support.batch_server.openai_server import OpenAIBatchServer
from tests.support.batch_session import BatchSession, hasty_limits, twice_billed
from tests.support.datasets import problem_row
from tests.support.session_check import check_agreement, read_object
from tests.support.stepped_clock import until


@pytest.fixture(autouse=True)
def _hasty() -> Iterator[None]:
    with hasty_limits():
        yield


@pytest.fixture
async def server() -> AsyncIterator[OpenAIBatchServer]:
    async with OpenAIBatchServer() as server:
        yield server


def tasks(numbers: range | list[int]) -> set[tuple[str, str]]:
    return {("gpt-4o", f"sums_{number}") for number in numbers}


async def test_a_session_in_batches_has_the_records_of_a_live_one(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    session = BatchSession(server, tmp_path, batch_requests=3)
    outcome = await session.run()
    assert outcome.status == "completed"
    answers = check_agreement(session.folder)
    assert answers.keys() == tasks(range(1, 6))
    assert len(server.batches) == 2 and server.requests == []
    one = answers["gpt-4o", "sums_4"]
    assert one["validation"]["is_fully_valid"]
    assert one["batch"]["id"] == "batch_1" and one["batch"]["custom_id"].endswith("-1")
    assert one["cost_usd"] == pytest.approx(
        (one["usage"]["input_tokens"] * 1.25 + one["usage"]["output_tokens"] * 5.0) / 1e6
    )
    live = BatchSession(server, tmp_path / "live", batch=False)
    await live.run()
    other = live.answers["gpt-4o", "sums_4"]
    assert other["cost_usd"] == pytest.approx(2 * one["cost_usd"])
    differing = {name for name in other if other[name] != one[name]}
    assert differing <= {
        *("batch", "cost_usd", "execution_time", "timestamp", "wait_time", "request_id"),
    }


@pytest.mark.parametrize("endpoint", ["gpt-4o", "gpt-5.5-pro"])
async def test_bodies_are_those_of_live_calls(
    server: OpenAIBatchServer, tmp_path: Path, endpoint: str
) -> None:
    batched = BatchSession(server, tmp_path / "batched", models=(endpoint,), problems=1)
    live = BatchSession(server, tmp_path / "live", models=(endpoint,), problems=1, batch=False)
    await batched.run()
    await live.run()
    (sent,) = (body for batch in server.batches.values() for body in batch.requests.values())
    assert sent == server.requests[0].body
    (one,), (other,) = batched.answers.values(), live.answers.values()
    same = ("raw_response", "parameters", "usage", "served_model", "finish_reason")
    assert {name: one[name] for name in same} == {name: other[name] for name in same}


async def test_results_in_any_order_and_shape_land_where_they_belong(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    deep = b'{"custom_id": "CUSTOM_ID", "response": {"status_code": 200, "body": %s}}\n'
    odd = Mischief(
        order=lambda rows: list(reversed(rows)),
        doubled=(2,),
        aliens=3,
        replies={1: "```python\ndef solve_1(value):\n    return '\u2028\u0085'\n```"},
        raw_rows={
            3: deep % (b"[" * 200_000 + b"]" * 200_000),
            4: deep % (b'"' + b"x" * 9_000_000 + b'"'),
        },
        rows={5: "refused"},
        breaks=2,
        late_files=2,
        not_found=1,
        counts_turn_back=True,
    )
    server.mischief.append(odd)
    session = BatchSession(server, tmp_path, problems=6)
    outcome = await session.run()
    assert outcome.failed == 1 and outcome.undone == 0
    answers = check_agreement(session.folder)
    assert answers.keys() == tasks([1, 2, 3, 4, 6])
    assert "'\u2028\u0085'" in answers["gpt-4o", "sums_1"]["extracted_solution"]
    assert answers["gpt-4o", "sums_6"]["batch"]["custom_id"].endswith("-6")
    # What could not be read is asked again, live, since it is little.
    assert [answers["gpt-4o", f"sums_{n}"]["batch"] for n in (3, 4)] == [None, None]
    failure = session.failures["gpt-4o", "sums_5"]
    assert failure["error"] == "BadRequest" and failure["attempts"][0]["status"] == 400


@pytest.mark.parametrize("kind", ["overloaded", "not run", "no status", "missing"])
async def test_what_was_not_answered_is_asked_in_a_second_batch_and_then_live(
    server: OpenAIBatchServer, tmp_path: Path, kind: str
) -> None:
    rows = dict.fromkeys(range(1, 25), kind)
    server.mischief += [
        Mischief(rows=rows, ends="expired"),  # type: ignore[arg-type]
        Mischief(rows={2: kind}),  # type: ignore[dict-item]
    ]
    session = BatchSession(server, tmp_path, problems=26)
    outcome = await session.run()
    assert outcome.status == "completed"
    answers = check_agreement(session.folder)
    assert answers.keys() == tasks(range(1, 27))
    by_batch = [answers["gpt-4o", f"sums_{n}"]["batch"] for n in (1, 2)]
    assert by_batch[0]["id"] == "batch_1" and by_batch[1] is None
    assert not twice_billed(server)


async def test_batch_only_asks_nothing_live(server: OpenAIBatchServer, tmp_path: Path) -> None:
    server.mischief += [Mischief(rows={1: "not run"}) for _ in range(3)]
    session = BatchSession(server, tmp_path, problems=2, batch_only=True, max_attempts=3)
    outcome = await session.run()
    assert outcome.failed == 1 and server.requests == []
    assert session.failures["gpt-4o", "sums_1"]["error"] == "NotRun"


async def test_a_batch_whose_every_row_failed_has_no_file_of_answers(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(rows=dict.fromkeys(range(1, 6), "refused")))
    session = BatchSession(server, tmp_path)
    outcome = await session.run()
    assert outcome.failed == 5 and len(session.failures) == 5
    assert session.spending == {"committed_usd": 0.0, "held_usd": {}}


async def test_a_batch_without_any_file_is_asked_about_for_a_while(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(late_files=10**6))
    session = BatchSession(server, tmp_path)
    outcome = await session.run()
    assert outcome.status == "completed"
    assert server.batches["batch_0"].ended_polls > 3
    assert all(record["batch"] is None for record in session.answers.values())


async def test_a_full_queue_is_waited_for(server: OpenAIBatchServer, tmp_path: Path) -> None:
    full = ("token_limit_exceeded", "Enqueued token limit reached for gpt-4o.", None)
    server.mischief += [Mischief(polls=8), Mischief(ends="failed", fault=full, polls=0)]
    session = BatchSession(server, tmp_path, problems=6, batch_requests=3)
    outcome = await session.run()
    assert outcome.status == "completed" and len(server.batches) == 3
    assert not twice_billed(server)
    assert {record["batch"]["id"] for record in session.answers.values()} == {"batch_0", "batch_2"}


async def test_one_bad_line_does_not_take_the_others_with_it(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    bad = ("invalid_request", "Line 2 is not what it should be.", 2)
    server.mischief.append(Mischief(ends="failed", fault=bad))
    session = BatchSession(server, tmp_path)
    outcome = await session.run()
    assert outcome.failed == 1 and session.failures.keys() == tasks([2])
    assert session.answers.keys() == tasks([1, 3, 4, 5]) and len(server.batches) == 2


async def test_a_model_that_takes_no_batches_is_asked_live(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    refused = ("invalid_request", "This model does not support batches.", None)
    server.mischief.append(Mischief(ends="failed", fault=refused))
    session = BatchSession(server, tmp_path)
    outcome = await session.run()
    assert outcome.status == "completed" and len(server.requests) == 5


async def test_a_gone_model_closes_its_lane(server: OpenAIBatchServer, tmp_path: Path) -> None:
    gone = ("model_not_found", "The model `gpt-4o` does not exist.", None)
    server.mischief.append(Mischief(ends="failed", fault=gone))
    session = BatchSession(server, tmp_path)
    outcome = await session.run()
    assert outcome.undone == 5 and "does not exist" in outcome.closed["gpt-4o"]
    assert session.spending["held_usd"] == {}


@pytest.mark.parametrize("creation", ["reply lost", "500 after"])
@pytest.mark.parametrize("unlisted", [0, 3])
async def test_a_batch_whose_creation_had_no_reply_is_found(
    server: OpenAIBatchServer, tmp_path: Path, creation: Creation, unlisted: int
) -> None:
    server.mischief.append(Mischief(creation=creation, unlisted=unlisted))
    session = BatchSession(server, tmp_path)
    with hasty_limits(absent_seconds=600.0):  # however long those looks take
        outcome = await session.run()
    assert outcome.status == "completed" and len(server.batches) == server.creates == 1
    assert not twice_billed(server) and server.requests == []
    assert session.steps == [
        *("planned", "uploaded", "creating", "unknown", "found", "ended", "landed")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("creation", ["request lost", "500 before"])
async def test_a_batch_that_no_list_shows_for_long_is_made_again(
    server: OpenAIBatchServer, tmp_path: Path, creation: Creation
) -> None:
    server.mischief.append(Mischief(creation=creation))
    session = BatchSession(server, tmp_path)
    outcome = await session.run()
    assert outcome.status == "completed" and len(server.batches) == 1
    assert session.steps[:5] == ["planned", "uploaded", "creating", "unknown", "lost"]
    tokens = {line["token"] for line in session.ledger_lines if line["step"] == "planned"}
    assert len(tokens) == 2
    # In case it shows up after all its money stays reserved.
    assert list(session.spending["held_usd"]) == [session.ledger_lines[0]["token"]]
    await session.run(release=True)
    assert session.spending == {
        "committed_usd": pytest.approx(session.answers_usd),
        "held_usd": {},
    }


async def test_a_batch_that_shows_up_late_is_cancelled_and_what_it_did_is_booked(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    with hasty_limits(lost_look_seconds=0.02):
        server.mischief += [
            Mischief(creation="reply lost", unlisted=10**6, polls=10**6),
            Mischief(polls=10**6),
        ]
        session = BatchSession(server, tmp_path)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(session.run())
            await until(lambda: len(server.batches) == 2)
            server.batches["batch_0"].mischief.unlisted = 0
            await until(lambda: server.batches["batch_0"].state == "cancelled")
            server.batches["batch_1"].mischief.polls = 0
        outcome = run.result()
    assert outcome.status == "completed" and server.cancels == 1
    assert {record["batch"]["id"] for record in session.answers.values()} == {"batch_1"}
    assert session.spending["held_usd"] == {}
    assert session.ledger.unsettled() == []


async def test_a_lost_create_holds_up_no_other_model(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(creation="reply lost", unlisted=10**6))
    session = BatchSession(server, tmp_path, models=("gpt-4o", "gpt-4.1", "deepseek-flash-chat"))
    with hasty_limits(absent_seconds=600.0):
        async with asyncio.TaskGroup() as group:
            run = group.create_task(session.run())
            await until(lambda: session.folder.exists() and len(session.answers) == 10)
            server.batches["batch_0"].mischief.unlisted = 0
    assert run.result().status == "completed"
    assert not twice_billed(server)
    assert {r["batch"] is None for (m, _), r in session.answers.items() if "deep" in m} == {True}


async def test_an_interrupted_run_leaves_its_batches_running(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(polls=10**6))
    session = BatchSession(server, tmp_path)
    async with asyncio.TaskGroup() as group:
        run = group.create_task(session.run())
        await server.comes_to("poll", 2)
        os.kill(os.getpid(), signal.SIGINT)
    outcome = run.result()
    assert outcome.interrupted and outcome.undone == 5
    assert server.cancels == 0 and sum(session.spending["held_usd"].values()) > 0
    server.batches["batch_0"].mischief.polls = 0
    outcome = await session.run()
    assert outcome.status == "completed" and len(server.batches) == 1
    assert session.spending == {
        "committed_usd": pytest.approx(session.answers_usd),
        "held_usd": {},
    }


async def test_detached_batches_are_fetched_by_a_later_run(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    session = BatchSession(server, tmp_path, batch_requests=2)
    first = await session.run(detach=True)
    assert first.undone == 5 and not first.interrupted and len(server.batches) == 3
    server.batches["batch_2"].mischief.polls = 10**6
    second = await session.run(detach=True)
    while second.undone > 1:
        second = await session.run(detach=True)
    server.batches["batch_2"].mischief.polls = 0
    assert (await session.run()).status == "completed"
    assert len(server.batches) == 3 and not twice_billed(server)
    check_agreement(session.folder)


async def test_cancelled_batches_keep_what_they_finished(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(polls=10**6, rows={1: "answered", 2: "answered"}))
    session = BatchSession(server, tmp_path)
    await session.run(detach=True)
    outcome = await session.run(cancel=True)
    assert server.cancels == 1 and outcome.undone == 3
    assert session.answers.keys() == tasks([1, 2])
    assert len(server.batches) == 1 and server.requests == []
    assert (await session.run()).status == "completed" and not twice_billed(server)


async def test_a_batch_that_runs_for_too_long_is_cancelled_and_landed(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(polls=10**6, rows={1: "answered"}))
    session = BatchSession(server, tmp_path)
    with hasty_limits(deadline_seconds=0.3):
        outcome = await session.run()
    assert outcome.status == "completed" and server.cancels == 1
    batches = [bool(session.answers["gpt-4o", f"sums_{n}"]["batch"]) for n in (1, 2)]
    assert batches == [True, False]


async def test_a_tight_cap_makes_small_batches_one_after_the_other(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    worst_of_one = 0.02086  # of a batch, half of the live price
    session = BatchSession(server, tmp_path, problems=6, max_cost_usd=2.5 * worst_of_one)
    outcome = await session.run()
    assert outcome.status == "completed" and outcome.stopped_by is None
    assert len(server.batches) == 3
    assert max(len(batch.requests) for batch in server.batches.values()) == 2


async def test_a_cap_holds_through_runs_that_leave_batches_open(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    cap_usd = 0.05
    server.mischief += [Mischief(polls=10**6) for _ in range(9)]
    session = BatchSession(server, tmp_path, problems=6, max_cost_usd=cap_usd)
    for _ in range(3):
        outcome = await session.run(detach=True)
        held = sum(session.spending["held_usd"].values())
        assert session.spending["committed_usd"] + held <= cap_usd
        assert outcome.stopped_by and len(server.batches) == 1
    for batch in server.batches.values():
        batch.mischief.polls = 0
    server.mischief.clear()
    assert (await session.run()).status == "completed"
    assert session.answers_usd <= cap_usd


async def test_problems_that_changed_meanwhile_are_asked_again(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    session = BatchSession(server, tmp_path, problems=3)
    await session.run(detach=True)
    dataset = session.settings.dataset_path
    assert dataset is not None
    changed = problem_row("sums_2", problem="Write `func`, the sums_2 of all, anew.")
    rows = [problem_row("sums_1"), changed, problem_row("sums_3")]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (dataset / "sums.jsonl").write_text(lines, encoding="utf-8")
    outcome = await session.run()
    assert outcome.status == "completed"
    asked = [list(batch.requests) for batch in server.batches.values()]
    assert [len(ids) for ids in asked] == [3, 1]
    assert session.answers["gpt-4o", "sums_2"]["problem"] == changed["problem"]
    assert session.answers["gpt-4o", "sums_2"]["batch"]["id"] == "batch_1"


async def test_another_key_does_not_send_a_batch_again(
    server: OpenAIBatchServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = BatchSession(server, tmp_path)
    await session.run(detach=True)
    session.variables["OPENAI_API_KEY"] = "another-key-0123456789abcdef0123456789"
    outcome = await session.run()
    assert outcome.undone == 5 and len(server.batches) == 1 and server.requests == []
    assert "was made with another key" in caplog.text


async def test_a_session_of_batches_flex_and_live_calls_is_like_any_other(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    models = ("gpt-4o", "deepseek-flash-chat", "gemini-3.7-flash")
    session = BatchSession(server, tmp_path, models=models, samples=2, tier="flex")
    outcome = await session.run()
    assert outcome.status == "completed"
    answers = check_agreement(session.folder)
    assert len(answers) == 5 * 2 * 3
    assert answers["gpt-4o", "sums_1#2"]["batch"]["custom_id"].endswith("-6")
    (batch,) = server.batches.values()
    assert all("service_tier" not in body for body in batch.requests.values())
    store = open_session(session.folder.parent, "s")
    made = (row_of(store.session_id, source) for source in row_sources(store))
    rows = [row for row in made if row and row.model == "gpt-4o"]
    assert {(row.batch_id, row.execution_time) for row in rows} == {("batch_0", None)}
    summary = read_object(session.folder / "summary.json")["model_summaries"]
    assert summary["gpt-4o"]["overall_performance"]["avg_execution_time"] == 0.0
    assert summary["gpt-4o"]["usage"]["cost_usd"] == pytest.approx(
        sum(row.cost_usd or 0.0 for row in rows)
    )


async def test_a_landing_is_the_same_however_often_it_is_done(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(rows={2: "refused", 3: "not run"}))
    session = BatchSession(server, tmp_path, problems=4, batch_only=True, max_attempts=1)
    await session.run()
    before, spent = (session.folder / "gpt-4o" / "sums.jsonl").read_bytes(), session.spending
    failures = (session.folder / "failures.jsonl").read_bytes()
    # As a kill leaves it that comes before the last line of the ledger and the money.
    ledger = session.folder / "batches.jsonl"
    lines = ledger.read_bytes().split(b"\n")
    landed = next(n for n, line in enumerate(lines) if b'"landed"' in line)
    ledger.write_bytes(b"\n".join(lines[:landed]) + b"\n")
    planned = session.ledger_lines[0]
    held = {"committed_usd": 0.0, "held_usd": {planned["token"]: planned["worst_usd"]}}
    (session.folder / "spending.json").write_text(json.dumps(held))
    await session.run()
    assert (session.folder / "gpt-4o" / "sums.jsonl").read_bytes() == before
    assert session.spending == spent
    assert (session.folder / "failures.jsonl").read_bytes().startswith(failures)


async def test_a_create_that_is_refused_for_its_rate_is_tried_again(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.refusals += [429, 429]
    session = BatchSession(server, tmp_path)
    outcome = await session.run()
    assert outcome.status == "completed" and len(server.batches) == 1
    assert session.steps.count("refused") == 2 and session.steps.count("planned") == 1


async def test_a_wrong_key_closes_the_lane_and_owes_nothing(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.refusals.append(401)
    session = BatchSession(server, tmp_path)
    outcome = await session.run()
    assert outcome.undone == 5 and "401" in outcome.closed["gpt-4o"] and server.requests == []
    assert session.spending == {"committed_usd": 0.0, "held_usd": {}}


async def test_a_lane_that_closes_lands_what_is_open_all_the_same(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    gone = ("model_not_found", "The model `gpt-4o` does not exist.", None)
    server.mischief += [Mischief(polls=12), Mischief(ends="failed", fault=gone, polls=0)]
    session = BatchSession(server, tmp_path, problems=4, batch_requests=2)
    outcome = await session.run()
    assert "gpt-4o" in outcome.closed and outcome.undone == 2
    assert session.answers.keys() == tasks([1, 2]) and session.ledger.unsettled() == []


@pytest.mark.slow
async def test_lists_that_fail_do_not_say_that_a_batch_is_not_there(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(creation="reply lost"))
    server.failing_lists = 10**6
    session = BatchSession(server, tmp_path)
    async with asyncio.TaskGroup() as group:
        run = group.create_task(session.run())
        await until(lambda: server.lists > 40)  # longer than a batch that is not there takes
        server.failing_lists = 0
    assert run.result().status == "completed"
    assert len(server.batches) == 1 and not twice_billed(server)


async def test_the_cap_counts_what_rows_without_a_trace_may_cost(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    server.mischief.append(Mischief(rows={1: "missing"}))
    session = BatchSession(server, tmp_path, problems=2, batch_only=True, max_attempts=1)
    await session.run()
    worst = session.ledger_lines[0]["worst_usd"]
    assert session.spending["committed_usd"] == pytest.approx(session.answers_usd + worst / 2)


async def test_tasks_that_two_batches_leave_undone_are_asked_once(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    with hasty_limits(lost_look_seconds=0.02):
        server.mischief += [
            Mischief(creation="reply lost", unlisted=10**6, polls=10**6),
            Mischief(polls=10**6, rows={1: "not run", 2: "not run"}),
        ]
        session = BatchSession(server, tmp_path)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(session.run())
            await until(lambda: len(server.batches) == 2)
            server.batches["batch_0"].mischief.unlisted = 0
            await until(lambda: session.steps.count("landed") == 1)
            server.batches["batch_1"].mischief.polls = 0
    assert run.result().status == "completed"
    assert not twice_billed(server) and len(server.batches) == 2
    assert len(server.requests) == 2


async def test_answers_of_a_batch_that_shows_up_late_are_not_asked_again(
    server: OpenAIBatchServer, tmp_path: Path
) -> None:
    with hasty_limits(lost_look_seconds=0.02):
        all_of_it: dict[int, RowKind] = dict.fromkeys(range(1, 6), "answered")
        server.mischief += [
            Mischief(creation="reply lost", unlisted=10**6, polls=10**6, rows=all_of_it),
            Mischief(polls=10**6, rows=dict.fromkeys(range(1, 6), "not run")),
        ]
        session = BatchSession(server, tmp_path)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(session.run())
            await until(lambda: len(server.batches) == 2)
            server.batches["batch_0"].mischief.unlisted = 0
            await until(lambda: session.steps.count("landed") == 1)
            server.batches["batch_1"].mischief.polls = 0
    assert run.result().status == "completed"
    assert not twice_billed(server) and server.requests == []
