"""What each provider's batch wire alone is known for: lost names, lying counters, traps."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.errors import (
    BadRequest,
    ModelError,
    ModelGone,
    NotRun,
    Overloaded,
    QuotaExhausted,
    RateLimited,
)
from models.anthropic_model import VERSION_WITH_TEMPERATURE
from models.base_model import Completion
from models.batch.anthropic_batch import AnthropicBatch
from models.batch.batch_api import Created, Refused, Unknown
from models.wire.client_pool import ClientPool
from tests.support.batch_bench import TOKEN, WIRES, Bench
from tests.support.batch_server.anthropic_server import AnthropicBatchServer
from tests.support.batch_server.mischief import Mischief
from tests.support.batch_server.together_server import TogetherBatchServer
from tests.support.batch_server.xai_server import XAIBatchServer
from tests.support.provider_formats import FORMATS, Json


@pytest.fixture
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Return the bench of the wire that the test's name begins with."""
    wire = request.node.name.split("_")[1]
    async with WIRES[wire][0]() as server, ClientPool() as clients:
        yield Bench.of(server, clients, tmp_path)


def server_of(bench: Bench) -> AnthropicBatchServer:
    assert isinstance(bench.server, AnthropicBatchServer)
    return bench.server


async def test_anthropic_results_are_never_fetched_from_where_a_reply_points(bench: Bench) -> None:
    assert len(await bench.landed(2)) == 2
    assert bench.server.trapped == 0
    assert server_of(bench).versions == [VERSION_WITH_TEMPERATURE]


async def test_anthropic_without_a_temperature_asks_for_the_version_that_knows_none(
    bench: Bench,
) -> None:
    assert isinstance(bench.api, AnthropicBatch)
    bench.api.model.extra_params["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    api = AnthropicBatch(bench.api.model)
    assert isinstance(await api.create(bench.batch(1), ""), Created)
    assert server_of(bench).versions == ["2026-10-21"]


async def test_anthropic_of_two_candidates_the_nearest_in_time_is_waited_for(bench: Bench) -> None:
    server = server_of(bench)
    server.mischief.append(Mischief(creation="reply lost", polls=3))
    batch = bench.batch(3)
    server.colleague_makes(3, Mischief(polls=99), at=bench.since - 300)
    server.colleague_makes(4, Mischief(polls=99))  # of another size
    server.colleague_makes(3, Mischief(polls=99), at=bench.since - 7200)  # of another time
    assert isinstance(await bench.api.create(batch, ""), Unknown)
    found = await bench.api.find(batch, "", since=bench.since, but_not=())
    assert found and found.batch_id == "msgbatch_3" and not found.is_proven
    # Its rows prove it once it has ended.
    await bench.ended("msgbatch_3")
    proven = await bench.api.find(batch, "", since=bench.since, but_not=())
    assert proven and proven.batch_id == "msgbatch_3" and proven.is_proven


async def test_anthropic_a_candidate_that_has_ended_and_is_not_ours_is_passed_over(
    bench: Bench,
) -> None:
    server = server_of(bench)
    theirs = server.colleague_makes(3, Mischief(polls=0))
    running = server.colleague_makes(3, Mischief(polls=99), at=bench.since + 60)
    server.look(theirs)
    batch = bench.batch(3)
    found = await bench.api.find(batch, "", since=bench.since, but_not=())
    assert found and found.batch_id == running.id and not found.is_proven
    assert await bench.api.find(batch, "", since=bench.since, but_not=[running.id]) is None


async def test_anthropic_an_empty_balance_is_said_by_every_row(bench: Bench) -> None:
    words = "Your credit balance is too low to access the Anthropic API."
    error: Json = {"type": "invalid_request_error", "message": words}
    outer: Json = {"type": "error", "error": error}
    row: Json = {"custom_id": "CUSTOM_ID", "result": {"type": "errored", "error": outer}}
    raw = json.dumps(row).encode() + b"\n"
    bench.server.mischief.append(Mischief(raw_rows={1: raw, 2: raw}))
    rows = await bench.landed(2)
    assert {type(row.result) for row in rows.values()} == {QuotaExhausted}


async def test_anthropic_the_body_goes_out_in_pieces_and_with_its_length(bench: Bench) -> None:
    await bench.created(bench.batch(500))  # the server refuses a body without a length
    (batch,) = bench.server.batches.values()
    assert len(batch.requests) == 500


async def test_anthropic_an_archived_batch_has_nothing_to_give(bench: Bench) -> None:
    batch_id = await bench.created(bench.batch(1))
    await bench.ended(batch_id)
    server = server_of(bench)
    server.archived.add(batch_id)
    status = await bench.api.poll(batch_id)
    assert status.phase == "ended_without_rows" and status.may_be_billed


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        ("3", "line 7 is no request", BadRequest),
        ("8", "Resource has been exhausted", RateLimited),
        ("5", "model not found", ModelGone),
        ("13", "Internal error", None),
        ("14", "try again", None),
    ],
)
async def test_google_a_failed_batch_says_why(
    bench: Bench, code: str, words: str, expected: type[ModelError] | None
) -> None:
    bench.server.mischief.append(Mischief(ends="failed", fault=(code, words, None)))
    status = await bench.ended(await bench.created(bench.batch(1)))
    assert status.phase == "ended_without_rows" and not status.may_be_billed
    assert (type(status.error) if status.error else None) is expected


async def test_google_a_state_that_nobody_knows_means_running(bench: Bench) -> None:
    server = bench.server
    server.mischief.append(Mischief(polls=99))
    batch_id = await bench.created(bench.batch(1))
    server.batches[batch_id].state = "running"
    status = await bench.api.poll(batch_id)
    assert (status.phase, status.state) == ("running", "BATCH_STATE_RUNNING")
    assert (status.done, status.total) == (0, 1)


async def test_google_error_rows_carry_codes_of_either_kind(bench: Bench) -> None:
    codes = {1: NotRun, 3: BadRequest, 5: ModelGone, 8: RateLimited, 13: Overloaded}
    codes |= {400: BadRequest, 429: RateLimited, 503: Overloaded, 99: Overloaded}
    for code, expected in codes.items():
        line = json.dumps({"key": "k", "error": {"code": code, "message": "words"}}).encode()
        row = bench.api.read_row(line)
        assert row and type(row.result) is expected, code


async def test_google_the_key_goes_to_our_own_address_alone(bench: Bench) -> None:
    # The server names another host for the upload: had it been asked, nothing would have come.
    assert (await bench.api.prepare(bench.batch(3))).startswith("files/")
    assert bench.server.uploads == 1


async def test_google_names_that_are_no_names_go_into_no_path(bench: Bench) -> None:
    await bench.created(bench.batch(1))
    for name in ("batches/../../x", "models/x", "batches/a?b", ""):
        with pytest.raises(ModelError):
            await bench.api.poll(name)


async def test_together_cloudflare_is_not_the_api(bench: Bench) -> None:
    server = bench.server
    assert isinstance(server, TogetherBatchServer)
    batch = bench.batch(2)
    server.turned_away = 1
    with pytest.raises(Overloaded):
        await bench.api.prepare(batch)
    prepared = await bench.api.prepare(batch)
    server.turned_away = 1
    outcome = await bench.api.create(batch, prepared)
    assert isinstance(outcome, Refused) and isinstance(outcome.error, Overloaded)
    assert isinstance(await bench.api.create(batch, prepared), Created)


async def test_together_is_being_cancelled_for_a_while(bench: Bench) -> None:
    bench.server.mischief.append(Mischief(polls=99))
    batch_id = await bench.created(bench.batch(1))
    await bench.api.cancel(batch_id)
    server = bench.server
    assert isinstance(server, TogetherBatchServer)
    seen = server._seen(server.batches[batch_id])
    assert seen["status"] == "CANCELING"
    assert (await bench.ended(batch_id)).state == "CANCELLED"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Unable to access non-serverless model x. Please create a dedicated endpoint", ModelGone),
        ("the file is broken", BadRequest),
    ],
)
async def test_together_a_failed_batch_says_why(
    bench: Bench, words: str, expected: type[ModelError]
) -> None:
    bench.server.mischief.append(Mischief(ends="failed", fault=("", words, None)))
    status = await bench.ended(await bench.created(bench.batch(1)))
    assert status.phase == "ended_without_rows" and type(status.error) is expected


async def test_together_what_expired_without_files_is_sent_again(bench: Bench) -> None:
    missing = {1: "missing", 2: "missing"}
    bench.server.mischief.append(Mischief(ends="expired", rows=missing))  # type: ignore[arg-type]
    status = await bench.ended(await bench.created(bench.batch(2)))
    assert (status.phase, status.error, status.may_be_billed) == ("ended_without_rows", None, False)


def xai_server(bench: Bench) -> XAIBatchServer:
    assert isinstance(bench.server, XAIBatchServer)
    return bench.server


async def test_xai_requests_are_added_a_hundred_at_a_time(bench: Bench) -> None:
    batch_id = await bench.created(bench.batch(250))
    assert xai_server(bench).added == [100, 100, 50]
    rows = await bench.rows(await bench.ended(batch_id))
    assert len(rows) == len({row.custom_id for row in rows}) == 250


async def test_xai_adding_again_adds_nothing_twice(bench: Bench) -> None:
    bench.server.mischief += [Mischief(), Mischief(creation="reply lost")]
    batch = bench.batch(150)
    prepared = await bench.api.prepare(batch)
    assert isinstance(await bench.api.create(batch, prepared), Unknown)
    found = await bench.api.find(batch, prepared, since=bench.since, but_not=())
    assert found and found.batch_id == prepared
    assert len(bench.server.batches[prepared].requests) == 150
    await bench.ended(prepared)
    assert set(bench.server.billed.values()) == {1}


async def test_xai_a_batch_that_was_refused_half_way_is_cancelled_and_fetched(
    bench: Bench,
) -> None:
    batch = bench.batch(150)
    prepared = await bench.api.prepare(batch)
    server = xai_server(bench)
    server.mischief.append(Mischief(polls=99, rows={1: "answered"}))
    server.close("create")
    creating = asyncio.create_task(bench.api.create(batch, prepared))
    await server.comes_to("create")
    server.refusals.append((400, FORMATS["xai"].error(400, "no more")))
    server.open_gate("create")
    assert await creating == Created(prepared)
    assert server.cancels == 1
    rows = {row.custom_id: row for row in await bench.rows(await bench.ended(prepared))}
    assert isinstance(rows[f"{TOKEN}-1"].result, Completion) and len(rows) == 100


async def test_xai_long_after_a_create_nothing_is_added_any_more(bench: Bench) -> None:
    batch = bench.batch(3)
    prepared = await bench.api.prepare(batch)
    long_ago = bench.since - 3600
    assert await bench.api.find(batch, prepared, since=long_ago, but_not=()) is None
    assert xai_server(bench).added == []
    await bench.api.create(batch, prepared)
    found = await bench.api.find(batch, prepared, since=long_ago, but_not=())
    assert found and found.batch_id == prepared


async def test_xai_counters_that_turn_back_are_waited_out(bench: Bench) -> None:
    bench.server.mischief.append(Mischief(counts_turn_back=True))
    batch_id = await bench.created(bench.batch(3))
    phases = [(await bench.api.poll(batch_id)).phase for _ in range(5)]
    assert phases == ["running"] * 4 + ["ended_with_rows"]


async def test_xai_says_what_it_bills_itself(bench: Bench) -> None:
    usage = {"prompt_tokens": 300, "completion_tokens": 20, "cost_in_usd_ticks": 3_456_000}
    choices = [{"message": {"content": "x"}, "finish_reason": "stop"}]
    reply = {"response": {"chat_get_completion": {"choices": choices, "usage": usage}}}
    line = json.dumps({"batch_request_id": "k", "batch_result": reply}).encode()
    row = bench.api.read_row(line)
    assert row and isinstance(row.result, Completion) and row.result.usage
    assert row.result.usage.billed_usd == pytest.approx(0.0003456)


async def test_xai_an_empty_batch_has_not_ended(bench: Bench) -> None:
    prepared = await bench.api.prepare(bench.batch(1))
    phases = {(await bench.api.poll(prepared)).phase for _ in range(3)}
    assert phases == {"running"}


async def test_xai_a_batch_that_it_gave_up_itself(bench: Bench) -> None:
    words = "grok-4.3 is not supported for batch processing"
    bench.server.mischief.append(Mischief(ends="failed", fault=("", words, None)))
    status = await bench.ended(await bench.created(bench.batch(1)))
    assert status.phase == "ended_without_rows" and isinstance(status.error, BadRequest)
    assert words in str(status.error)


async def test_xai_a_page_that_is_too_large_is_asked_for_in_smaller_ones(bench: Bench) -> None:
    huge = dict.fromkeys(range(1, 13), "x" * 1000000)
    bench.server.mischief.append(Mischief(replies=huge))
    status = await bench.ended(await bench.created(bench.batch(30)))
    rows = await bench.rows(status)
    assert len({row.custom_id for row in rows}) == 30


async def test_xai_pages_without_rows_come_to_an_end(bench: Bench) -> None:
    server = xai_server(bench)
    server.empty_pages = True
    status = await bench.ended(await bench.created(bench.batch(2)))
    assert await bench.fetched(status) == b""
    assert server.passed["content"] == 1


async def test_xai_a_row_that_no_page_can_hold_ends_the_page_not_the_run(bench: Bench) -> None:
    bench.server.mischief.append(Mischief(replies={5: "x" * 9_000_000}))
    status = await bench.ended(await bench.created(bench.batch(6)))
    rows = await bench.rows(status)
    # The others are missing, and asked again.
    assert [row.custom_id for row in rows] == [f"{TOKEN}-{n}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("The prompt is not allowed.", BadRequest),
        ("Internal server error", Overloaded),
        ("request timed out", Overloaded),
        ("cancelled", NotRun),
        ({"code": 3, "message": "bad"}, BadRequest),
        ({"code": 8, "message": "quota"}, RateLimited),
        ({"code": 1, "message": "x"}, NotRun),
    ],
)
async def test_xai_error_rows_are_read_by_code_or_words(
    bench: Bench, error: Json, expected: type[ModelError]
) -> None:
    line = json.dumps({"batch_request_id": "k", "batch_result": {"error": error}}).encode()
    row = bench.api.read_row(line)
    assert row and type(row.result) is expected
