"""The batch wires of Anthropic, Gemini, Together and xAI, alike: what goes out and what comes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.errors import (
    AuthFailed,
    BadReply,
    BadRequest,
    ModelError,
    NotRun,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TransientError,
)
from models.base_model import CallOptions, Completion
from models.batch.batch_api import Created, FoundBatch, Refused, Unknown
from models.wire.client_pool import ClientPool
from tests.support.batch_bench import TOKEN, WIRES, Bench, prompt_of, text_of
from tests.support.batch_server.mischief import Mischief
from tests.support.provider_formats import FORMATS, Json


@pytest.fixture(params=sorted(WIRES))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with WIRES[request.param][0]() as server, ClientPool() as clients:
        yield Bench.of(server, clients, tmp_path)


async def test_bodies_and_answers_are_those_of_live_calls(bench: Bench) -> None:
    rows = await bench.landed(3)
    assert list(rows) == [f"{TOKEN}-{n}" for n in (1, 2, 3)]
    (batch,) = bench.server.batches.values()
    live = await bench.model.send(prompt_of(2))
    assert batch.requests[f"{TOKEN}-2"] == bench.server.requests[0].body
    answer = rows[f"{TOKEN}-2"].result
    assert isinstance(answer, Completion)
    for name in ("text", "finish_reason", "usage", "parameters", "served_model", "reasoning_text"):
        assert getattr(answer, name) == getattr(live, name), name
    assert answer.usage and "solve_2" in answer.text


async def test_a_batch_names_no_service_tier(bench: Bench, tmp_path: Path) -> None:
    flex = Bench.of(bench.server, bench.model.clients, tmp_path, CallOptions(tier="flex"))
    assert flex.api.line("x", prompt_of(1)) == bench.api.line("x", prompt_of(1))


async def test_results_may_come_in_any_order_twice_and_with_others_among_them(
    bench: Bench,
) -> None:
    odd = Mischief(
        order=lambda rows: list(reversed(rows)),
        doubled=(2,),
        aliens=2,
        replies={1: "a\u2028b\u0085c\n```python\ndef solve_1(): ...\n```"},
        late_files=1,
    )
    bench.server.mischief.append(odd)
    status = await bench.ended(await bench.created(bench.batch(3)))
    rows = await bench.rows(status)
    ours = [row for row in rows if row.custom_id.startswith(TOKEN)]
    assert [row.custom_id[-1] for row in ours] == ["3", "2", "1", "2"] and len(rows) == 6
    assert text_of(ours[2]).startswith("a\u2028b\u0085c")


KINDS = {"refused": BadRequest, "overloaded": Overloaded, "not run": NotRun, "no status": NotRun}


async def test_rows_without_an_answer_say_why(bench: Bench) -> None:
    kinds = {n: kind for n, kind in enumerate(KINDS, 1) if (kind, bench.server.provider) != NO_SUCH}
    bench.server.mischief.append(Mischief(rows={**kinds, 5: "missing"}))  # type: ignore[dict-item]
    rows = await bench.landed(6)
    for number, kind in kinds.items():
        result = rows[f"{TOKEN}-{number}"].result
        assert type(result) is KINDS[kind], (kind, result)
    assert f"{TOKEN}-5" not in rows and "solve_6" in text_of(rows[f"{TOKEN}-6"])


NO_SUCH = ("no status", "anthropic")  # its rows have no status


async def test_a_row_that_cannot_be_read_is_its_requests_and_nobody_elses(bench: Bench) -> None:
    field = {"google": b"key", "xai": b"batch_request_id"}.get(bench.server.provider, b"custom_id")
    deep = b"[" * 100_000 + b"]" * 100_000
    bad = [
        b'{"%s": "CUSTOM_ID", "response": %s, "result": %s}\n' % (field, deep, deep),
        b'{"%s": "CUSTOM_ID", "resp\n' % field,
        b"\xff\xfe\n",
        b'{"%s": "CUSTOM_ID", "response": 7, "result": 7, "batch_result": 7}\n' % field,
        b'{"%s": 12}\n' % field,
    ]
    reader = bench.api.read_row
    read = [reader(line.replace(b"CUSTOM_ID", b"abcd1234-1")) for line in bad]
    ours = "abcd1234-1"
    assert [row.custom_id if row else None for row in read] == [ours, ours, None, ours, None]
    assert all(isinstance(row.result, BadReply) for row in read if row)


async def test_a_download_that_breaks_off_is_begun_again(bench: Bench) -> None:
    bench.server.mischief.append(Mischief(breaks=1))
    status = await bench.ended(await bench.created(bench.batch(3)))
    with pytest.raises(TransientError):
        await bench.fetched(status)
    assert len(await bench.rows(status)) == 3


async def test_a_batch_that_is_not_found_for_a_moment_is_not_gone(bench: Bench) -> None:
    bench.server.mischief.append(Mischief(not_found=2))
    batch_id = await bench.created(bench.batch(2))
    for _ in range(2):
        with pytest.raises(TransientError) as caught:
            await bench.api.poll(batch_id)
        assert caught.value.status == 404
    assert len(await bench.rows(await bench.ended(batch_id))) == 2


@pytest.mark.parametrize("creation", ["reply lost", "500 after"])
async def test_a_create_without_a_reply_is_found(bench: Bench, creation: str) -> None:
    bench.server.mischief.append(Mischief(creation=creation))  # type: ignore[arg-type]
    batch = bench.batch(3)
    prepared = await bench.api.prepare(batch)
    assert isinstance(await bench.api.create(batch, prepared), Unknown)
    others = [each.id for each in bench.server.batches.values() if not each.requests]
    found = await bench.api.find(batch, prepared, since=bench.since, but_not=others)
    assert found and found.batch_id in bench.server.batches
    assert found.is_proven == (bench.server.provider != "anthropic")
    rows = await bench.rows(await bench.ended(found.batch_id))
    assert {row.custom_id for row in rows} == {f"{TOKEN}-{n}" for n in (1, 2, 3)}
    assert set(bench.server.billed.values()) == {1}


@pytest.mark.parametrize("creation", ["request lost", "500 before"])
async def test_a_create_that_never_came_through_is_not_found_or_is_made_up_for(
    bench: Bench, creation: str
) -> None:
    bench.server.mischief.append(Mischief(creation=creation))  # type: ignore[arg-type]
    batch = bench.batch(3)
    prepared = await bench.api.prepare(batch)
    assert isinstance(await bench.api.create(batch, prepared), Unknown)
    found = await bench.api.find(batch, prepared, since=bench.since, but_not=())
    # xAI alone lets the requests be added again: its batch is there in any case.
    assert (found is None) == (bench.server.provider != "xai")
    long_ago = await bench.api.find(batch, "batch-7", since=bench.since - 3600, but_not=())
    assert long_ago is None


async def test_a_list_may_not_show_a_batch_yet(bench: Bench) -> None:
    if bench.server.provider == "xai":
        pytest.skip("its batch is known before its requests are added")
    bench.server.mischief.append(Mischief(creation="reply lost", unlisted=1))
    batch = bench.batch(3)
    prepared = await bench.api.prepare(batch)
    await bench.api.create(batch, prepared)
    found = [await bench.api.find(batch, prepared, since=bench.since, but_not=()) for _ in range(2)]
    assert found[0] is None and isinstance(found[1], FoundBatch)


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (400, "bad", BadRequest),
        (413, "too large", BadRequest),
        (429, "too fast", RateLimited),
        (401, "wrong key", AuthFailed),
        (400, "Your credit balance is too low", QuotaExhausted),
    ],
)
async def test_a_refused_create_made_nothing(
    bench: Bench, status: int, words: str, expected: type[ModelError]
) -> None:
    body = FORMATS[bench.server.provider].error(status, words)
    bench.server.refusals.append((status, body))
    batch = bench.batch(2)
    outcome = await bench.api.create(batch, await bench.api.prepare(batch))
    assert isinstance(outcome, Refused)
    assert type(outcome.error) is expected
    assert not any(each.requests for each in bench.server.batches.values())


async def test_a_cancelled_batch_ends_and_may_be_cancelled_again(bench: Bench) -> None:
    bench.server.mischief.append(Mischief(polls=99, rows={1: "answered"}))
    batch_id = await bench.created(bench.batch(3))
    assert (await bench.api.poll(batch_id)).phase == "running"
    await bench.api.cancel(batch_id)
    status = await bench.ended(batch_id)
    await bench.api.cancel(batch_id)
    if bench.server.provider == "google":  # what it has finished cannot be read
        assert status.phase == "ended_without_rows" and status.may_be_billed
        return
    results = {row.custom_id[-1]: row.result for row in await bench.rows(status)}
    assert isinstance(results["1"], Completion)
    assert all(isinstance(results[n], NotRun) for n in "23")


async def test_an_expired_batch(bench: Bench) -> None:
    bench.server.mischief.append(Mischief(ends="expired", rows={2: "answered"}))
    status = await bench.ended(await bench.created(bench.batch(2)))
    assert status.error is None
    if bench.server.provider == "google":
        assert status.phase == "ended_without_rows" and status.results == ()
        return
    results = {row.custom_id[-1]: row.result for row in await bench.rows(status)}
    assert isinstance(results["2"], Completion) and isinstance(results["1"], NotRun)


async def test_the_same_input_twice_makes_a_batch_each(bench: Bench) -> None:
    batch, other = bench.batch(2), bench.batch(2, "zzzz9999")
    first, second = await bench.created(batch), await bench.created(other)
    assert first != second
    rows = await bench.rows(await bench.ended(second))
    assert {row.custom_id for row in rows} == {"zzzz9999-1", "zzzz9999-2"}


async def test_a_server_that_talks_nonsense_raises_nothing_but_model_errors(bench: Bench) -> None:
    batch = bench.batch(1)
    nonsense: list[tuple[int, Json]] = [
        (200, []),
        (200, {"id": 7}),
        (302, {}),
        (200, "x"),
        (503, {}),
    ]
    for status, body in nonsense:
        bench.server.refusals.append((status, body))
        outcome = await bench.api.create(batch, "batch-0")
        assert isinstance(outcome, Unknown | Refused | Created), (status, body)
    with pytest.raises(ModelError):
        await bench.api.poll("../../nowhere")
