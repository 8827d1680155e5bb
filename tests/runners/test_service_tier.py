"""--tier from the command line: waits, fallbacks, prices and what is kept of them."""

import re
from pathlib import Path

import pytest

from tests.support.command import Finished, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_formats import Json
from tests.support.provider_server import Answer, ProviderServer, Request
from tests.support.session_check import check_agreement, failures_in, read_object
from tests.support.tables import cells

NO_ROOM: Json = {"error": {"message": "Resource Unavailable", "code": "resource_unavailable"}}
# USD a million tokens, at list price; flex halves it.
NANO_IN, NANO_OUT = 0.05, 0.40
MIXED = ("gpt-5-nano", "all")  # the rows of a dry run whose flex price differs


async def collect(
    server: ProviderServer, folder: Path, *flags: str, tasks: int = 1, models: str = "gpt-5-nano"
) -> Finished:
    dataset = write_dataset(folder / "data", {"sums": tasks})
    return await run(
        "run_collection.py",
        *("--models", *models.split(), "--output-dir", str(folder / "out")),
        *("--dataset-path", str(dataset), *flags),
        environment=pointed_at(server),
    )


def tiers_sent(server: ProviderServer) -> list[Json]:
    return [request.body.get("service_tier") for request in server.sent_to("openai")]


@pytest.mark.slow
async def test_answers_at_flex_are_priced_as_served_and_say_so(tmp_path: Path) -> None:
    models = "gpt-5-nano gpt-4o gemini-2.5-flash-lite deepseek-flash"
    async with ProviderServer() as server:
        finished = await collect(server, tmp_path, "--tier", "flex", models=models)
    assert finished.exit_code == 0, finished.output
    said = finished.stdout
    assert "No flex tier, so at the default tier and its price: gpt-4o, deepseek-flash\n" in said
    assert "counted at the full price" in said and "for flex: gemini-2.5-flash-lite\n" in said
    answers = check_agreement(finished.session)
    tiers = {
        model: (answer["requested_tier"], answer["served_tier"])
        for (model, _), answer in answers.items()
    }
    assert tiers == {
        "gpt-5-nano": ("flex", "flex"),
        "gpt-4o": (None, None),
        "gemini-2.5-flash-lite": ("flex", "flex"),
        "deepseek-flash": (None, None),
    }
    answer = answers["gpt-5-nano", "sums_1"]
    usage = answer["usage"]
    full = (usage["input_tokens"] * NANO_IN + usage["output_tokens"] * NANO_OUT) / 1e6
    assert answer["cost_usd"] == pytest.approx(full / 2)
    metadata = read_object(finished.session / "summary.json")["collection_metadata"]
    parameters = metadata["session_parameters"]
    assert parameters["tier"] == "flex"
    assert parameters["request_timeout_seconds"] == 900
    assert parameters["task_timeout_seconds"] == 7200


@pytest.mark.slow
async def test_what_flex_did_not_serve_costs_the_full_price(tmp_path: Path) -> None:
    choices: Json = [{"message": {"content": "def add(): ..."}, "finish_reason": "stop"}]
    usage: Json = {"prompt_tokens": 100, "completion_tokens": 100}
    body: Json = {"choices": choices, "usage": usage, "service_tier": "default"}
    async with ProviderServer() as server:
        server.script("openai", Answer(body=body))
        finished = await collect(server, tmp_path, "--tier", "flex")
    (answer,) = check_agreement(finished.session).values()
    assert (answer["requested_tier"], answer["served_tier"]) == ("flex", "default")
    assert answer["cost_usd"] == pytest.approx((100 * NANO_IN + 100 * NANO_OUT) / 1e6)


@pytest.mark.slow
async def test_a_call_without_room_waits_and_no_rate_is_learned_from_it(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        server.script("openai", *[Answer(status=429, body=NO_ROOM)] * 3)
        # Three calls, each refused once: none of them has another attempt to lose.
        finished = await collect(server, tmp_path, "--tier", "flex", "--max-attempts", "1", tasks=3)
        assert tiers_sent(server) == ["flex"] * 6
    assert finished.exit_code == 0, finished.output
    assert {a["attempts"] for a in check_agreement(finished.session).values()} <= {1, 2, 3, 4}
    learned = re.findall(r"gpt-5-nano (?:requests|tokens): (\w+)", finished.stdout)
    assert set(learned) == {"announced"}  # every change of a rate is logged


class FullServer(ProviderServer):
    """Has no room at the flex tier, ever."""

    def _next_answer(self, call: Request) -> Answer:
        is_flex = call.body.get("service_tier") == "flex"
        return Answer(status=429, body=NO_ROOM) if is_flex else super()._next_answer(call)


@pytest.mark.slow
async def test_a_tier_without_room_for_the_time_of_a_task_fails_its_tasks_in_those_words(
    tmp_path: Path,
) -> None:
    flags = ("--tier", "flex", "--task-timeout", "6", "--max-attempts", "1")
    async with FullServer() as server:
        finished = await collect(server, tmp_path, *flags, tasks=9, models="gpt-5-nano gpt-4o")
    assert finished.exit_code == 1, finished.output
    assert len(check_agreement(finished.session)) == 9
    failures = failures_in(finished.session).values()
    assert {failure["error"] for failure in failures} == {"NoCapacity"} and len(failures) == 9
    assert all("no room at the flex tier" in failure["message"] for failure in failures)


@pytest.mark.slow
async def test_only_flex_or_default_falls_back(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        server.script("openai", Answer(status=429, body=NO_ROOM, headers={"Retry-After": "900"}))
        finished = await collect(server, tmp_path, "--tier", "flex-or-default")
        assert tiers_sent(server) == ["flex", None]
    assert finished.exit_code == 0, finished.output
    (answer,) = check_agreement(finished.session).values()
    assert (answer["requested_tier"], answer["served_tier"]) == ("flex", None)
    assert "service_tier" not in answer["parameters"]
    usage = answer["usage"]
    full = (usage["input_tokens"] * NANO_IN + usage["output_tokens"] * NANO_OUT) / 1e6
    assert answer["cost_usd"] == pytest.approx(full)


@pytest.mark.slow
async def test_a_resume_keeps_the_tier(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        server.script("openai", Answer(status=401, body={"error": {"message": "wrong key"}}))
        finished = await collect(server, tmp_path, "--tier", "flex")
        assert finished.exit_code == 1, finished.output
        resumed = await run(
            "resume_collection.py",
            *(finished.session.name, "--output-dir", str(finished.session.parent)),
            environment=pointed_at(server),
        )
        assert set(tiers_sent(server)) == {"flex"}
    assert resumed.exit_code == 0, resumed.output


@pytest.mark.slow
async def test_a_dry_run_shows_the_flex_price_beside_the_live_one(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        models = "gpt-5-nano gpt-4o gemini-2.5-flash-lite"
        finished = await collect(server, tmp_path, "--dry-run", tasks=100, models=models)
    rows = cells(finished.stdout.replace(",", ""))
    live, flex = (float(rows["gpt-5-nano"][name]) for name in ("USD expected", "USD at flex"))
    assert flex == pytest.approx(live / 2, rel=0.01) and live > 0
    assert rows["gpt-4o"]["USD at flex"] == rows["gemini-2.5-flash-lite"]["USD at flex"] == "-"
    others = sum(float(row["USD expected"]) for name, row in rows.items() if name not in MIXED)
    assert float(rows["all"]["USD at flex"]) == pytest.approx(flex + others, abs=0.001)
