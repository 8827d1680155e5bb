"""The cap on a session's spending, and the price of a dry run."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.clock import SystemClock
from config.model_config import ModelConfig
from config.model_configs import select_models
from models.base_model import make_model
from prompts.problems import load_problems
from prompts.prompt_template import Prompt
from runners.calls.budget import Budget, CapReached, worst_case_usd
from runners.collection_runner import rate_scope
from runners.session.cost_estimate import LeastTime, estimate_cost
from tests.support.command import pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_formats import Json
from tests.support.provider_server import Answer, ProviderServer
from tests.support.raw_replies import good, http, raw_server
from tests.support.tables import cells


async def test_a_call_waits_for_money_that_is_reserved() -> None:
    budget = Budget(1.0, 0.0, SystemClock())
    first = await budget.reserve(0.7)
    second = asyncio.create_task(budget.reserve(0.7))
    await asyncio.sleep(0)
    assert not second.done() and budget.reserved_usd == 0.7
    first.settle(0.1)
    reservation = await second
    assert (budget.spent_usd, budget.reserved_usd) == (0.1, 0.7)
    reservation.settle(0.2)
    reservation.settle(0.5)  # settled already: a second time changes nothing
    assert budget.spent_usd == pytest.approx(0.3)


async def test_the_cap_is_reached_when_nothing_is_out_and_nothing_fits() -> None:
    budget = Budget(1.0, 0.9, SystemClock())
    with pytest.raises(CapReached, match=r"0\.9000 USD are spent"):
        await budget.reserve(0.2)


async def test_a_dear_call_does_not_end_the_run_while_a_cheap_one_still_fits() -> None:
    budget = Budget(1.0, 0.0, SystemClock())
    first = await budget.reserve(0.9)
    dear = asyncio.create_task(budget.reserve(0.8))
    cheap = asyncio.create_task(budget.reserve(0.2))
    await asyncio.sleep(0)
    first.settle(0.7)
    (await cheap).settle(0.1)
    with pytest.raises(CapReached):
        await dear
    assert budget.spent_usd == pytest.approx(0.8)


async def test_a_waiter_that_is_cancelled_leaves_no_trace() -> None:
    budget = Budget(1.0, 0.0, SystemClock())
    first = await budget.reserve(1.0)
    waiting = asyncio.create_task(budget.reserve(0.5))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.settle(0.4)
    (await budget.reserve(0.6)).settle(0.0)


@pytest.mark.slow
async def test_a_session_never_spends_more_than_its_cap_resumes_included(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 30})
    out = ("--output-dir", str(tmp_path / "out"))
    async with ProviderServer() as server:
        environment = pointed_at(server, "xai")
        finished = await run(
            "run_collection.py",
            *("--models", "grok-4.3", "--dataset-path", str(dataset), *out),
            *("--max-cost", "0.006", "--max-tokens", "1000"),
            environment=environment,
        )
        assert finished.exit_code == 1, finished.output
        assert "--max-cost 0.006 USD" in finished.stdout and "tasks undone" in finished.stdout
        asked = len(server.requests)
        assert 0 < asked < 30
        session = finished.session
        assert spent(session) <= 0.006
        again = await run("resume_collection.py", session.name, *out, environment=environment)
        assert again.exit_code == 1 and len(server.requests) == asked
        raised = await run(
            "resume_collection.py",
            *(session.name, "--max-cost", "5", *out),
            environment=environment,
        )
        assert raised.exit_code == 0, raised.output
        assert len(server.requests) == 30
    manifest = json.loads((session / "manifest.json").read_text())
    assert manifest["metadata"]["session_parameters"]["max_cost_usd"] == 5.0


@pytest.mark.slow
async def test_a_dear_model_does_not_keep_a_cheap_one_from_its_share(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 3})
    async with ProviderServer() as server:
        finished = await run(
            "run_collection.py",
            *("--models", "grok-4.3", "deepseek-flash-chat", "--dataset-path", str(dataset)),
            *("--output-dir", str(tmp_path / "out"), "--max-cost", "0.025"),
            environment=pointed_at(server, "xai", "deepseek"),
        )
        assert finished.exit_code == 1, finished.output
        assert len(server.sent_to("deepseek")) == 3


def grok_reply(finish_reason: str, completion_tokens: int) -> Answer:
    message: Json = {"role": "assistant", "content": "def solve(value): return value"}
    usage: Json = {"prompt_tokens": 300, "completion_tokens": completion_tokens}
    choices: list[Json] = [{"index": 0, "message": message, "finish_reason": finish_reason}]
    return Answer(body={"choices": choices, "usage": usage})


@pytest.mark.slow
async def test_errors_that_count_tokens_are_spent_too(tmp_path: Path) -> None:
    """A provider that bills what it then breaks off comes no further than the cap."""
    dataset = write_dataset(tmp_path / "data", {"sums": 30})
    async with ProviderServer() as server:
        for _ in range(30):
            server.script("xai", grok_reply("stop", 10), grok_reply("error", 1_000))
        finished = await run(
            "run_collection.py",
            *("--models", "grok-4.3", "--dataset-path", str(dataset), "--max-attempts", "1"),
            *("--output-dir", str(tmp_path / "out"), "--max-cost", "0.02", "--max-tokens", "1000"),
            environment=pointed_at(server, "xai"),
        )
        asked = len(server.requests)
    assert finished.exit_code == 1 and "--max-cost 0.02 USD" in finished.stdout, finished.output
    progress = json.loads((finished.session / "progress.json").read_text())
    billed = asked * 300 * 1.25e-6 + (asked // 2) * 1_000 * 2.5e-6 + (asked - asked // 2) * 2.5e-5
    assert 0.01 < progress["spent_usd"] <= 0.02
    assert progress["spent_usd"] == pytest.approx(billed, rel=0.05)


@pytest.mark.slow
async def test_tokens_that_cannot_be_meant_are_neither_spent_nor_paced(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 6})
    async with ProviderServer() as server:
        server.script("xai", grok_reply("stop", 10**9))
        finished = await run(
            "run_collection.py",
            *("--models", "grok-4.3", "--dataset-path", str(dataset), "--max-cost", "1"),
            *("--output-dir", str(tmp_path / "out"), "--max-concurrent", "1"),
            environment=pointed_at(server, "xai"),
        )
    assert finished.exit_code == 0, finished.output
    assert finished.stdout.count("ignoring token counts that cannot be right") == 1
    lines = (finished.session / "grok-4.3" / "sums.jsonl").read_text().splitlines()
    records = map(json.loads, lines)
    odd, *others = sorted(records, key=lambda record: record["usage"] is not None)
    assert (odd["usage"], odd["cost_usd"]) == (None, None)
    assert "implausible: 1000000000 output tokens" in odd["usage_note"]
    assert len(others) == 5 and all(record["usage_note"] is None for record in others)
    progress = json.loads((finished.session / "progress.json").read_text())
    assert 0.01 < progress["spent_usd"] < 0.05, "the worst case of one call, the price of five"


@pytest.mark.slow
async def test_a_reply_that_is_no_http_is_reserved_at_its_worst_case(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 6})
    async with raw_server(http(good("chat")) + b"x") as server:
        finished = await run(
            "run_collection.py",
            *("--models", "grok-4.3", "--dataset-path", str(dataset), "--max-tokens", "1000"),
            *("--output-dir", str(tmp_path / "out"), "--max-cost", "0.01"),
            environment={"XAI_API_KEY": "x", "XAI_BASE_URL": server.url},
        )
        asked = server.asked
    assert finished.exit_code == 1 and "--max-cost 0.01 USD" in finished.stdout, finished.output
    assert asked == 3, "as often as the cap covers its worst case"


def test_beside_ascii_every_byte_may_be_a_token() -> None:
    (config,) = select_models(["grok-4.3"])
    model = make_model(config, api_key="x")
    now = datetime(2026, 11, 1, tzinfo=UTC)

    def input_usd(text: str) -> float:
        worst = [worst_case_usd(model, Prompt(system="", user=part), now) for part in (text, "")]
        return (worst[0] or 0.0) - (worst[1] or 0.0)

    per_token = input_usd("x" * 2_000) / 1_000
    assert input_usd("加" * 1_000) == pytest.approx(3_000 * per_token)
    assert input_usd("é" * 1_000) == pytest.approx(2_000 * per_token)
    assert input_usd("🐍" * 1_000 + "x" * 500) == pytest.approx(4_250 * per_token)
    assert input_usd("\ud800" * 10) > 0, "what UTF-8 cannot hold"


def spent(session: Path) -> float:
    lines = [line for file in session.glob("*/*.jsonl") for line in file.read_text().splitlines()]
    total = sum(json.loads(line)["cost_usd"] for line in lines)
    assert isinstance(total, float)
    return total


@pytest.mark.slow
async def test_an_unknown_price_is_refused_under_a_cap(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 1})
    arguments = ("--models", "gpt-6.2-sol", "--dataset-path", str(dataset), "--max-cost", "1")
    out = ("--output-dir", str(tmp_path / "out"))
    async with ProviderServer() as server:
        environment = pointed_at(server, "openai")
        refused = await run("run_collection.py", *arguments, *out, environment=environment)
        assert refused.exit_code == 2 and server.requests == []
        assert "no price is known for gpt-6.2-sol" in refused.stderr
        allowed = await run(
            "run_collection.py",
            *(*arguments, *out, "--allow-unknown-prices"),
            environment=environment,
        )
        assert allowed.exit_code == 0, allowed.output


@pytest.mark.slow
async def test_a_dry_run_prices_every_model(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 10})
    finished = await run(
        "run_collection.py",
        *("--models", "gpt-4o", "gpt-6.2-sol", "--dataset-path", str(dataset), "--dry-run"),
        environment={"OPENAI_API_KEY": "x"},
    )
    assert finished.exit_code == 0, finished.output
    rows = cells(finished.stdout.replace(",", ""))
    row = rows["gpt-4o"]
    assert (row["tasks"], row["out at worst"]) == ("10", "40960")
    assert row["minutes at least"] == "no limit known"
    tokens, expected = int(row["tokens in"]), int(row["out expected"])
    assert tokens > 500 and 500 < expected < 40_960
    # 2.5 and 10 USD a million tokens: the list price of gpt-4o.
    at_list_price = (tokens * 2.5 + expected * 10) / 1e6
    assert float(row["USD expected"]) == pytest.approx(at_list_price, abs=1e-4)
    assert 0.4 < float(row["USD at worst"]) < 0.45
    dearer = rows["gpt-6.2-sol"]
    assert (dearer["USD expected"], dearer["USD at worst"]) == ("unknown", "unknown")
    assert "No price is known for gpt-6.2-sol" in finished.stdout
    assert "Prices: genai-prices" in finished.stdout
    assert rows["all"]["USD expected"] == f"{row['USD expected']} + unknown"
    assert rows["all"]["USD at worst"] == f"{row['USD at worst']} + unknown"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cap", "said"),
    [
        ("1", "--max-cost 1 covers the expected cost and the worst case."),
        ("0.2", "--max-cost 0.2 covers the expected cost; at worst, about 4 of 10 tasks fit."),
        ("0.05", "--max-cost 0.05 does not cover the expected cost: about 4 of 10 tasks fit, "),
        ("0.01", "--max-cost 0.01 does not cover one call, which may cost 0.04"),
    ],
)
async def test_a_dry_run_says_what_a_cap_covers(tmp_path: Path, cap: str, said: str) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 10})
    finished = await run(
        "run_collection.py",
        *("--models", "gpt-4o", "--dataset-path", str(dataset), "--dry-run", "--max-cost", cap),
        environment={"OPENAI_API_KEY": "x"},
    )
    assert finished.exit_code == 0, finished.output
    assert said in " ".join(finished.stdout.split())


@pytest.mark.slow
async def test_a_cap_that_covers_one_call_is_not_said_to_send_none(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 10})
    command = ("--models", "gpt-4o", "--dataset-path", str(dataset), "--max-cost", "0.0425")
    out = ("--output-dir", str(tmp_path / "out"))
    async with ProviderServer() as server:
        environment = pointed_at(server, "openai")
        dry = await run("run_collection.py", *command, *out, "--dry-run", environment=environment)
        assert "about 1 of 10 tasks fit, at worst about 1." in " ".join(dry.stdout.split())
        await run("run_collection.py", *command, *out, environment=environment)
        assert server.requests


@pytest.mark.slow
async def test_a_cap_that_does_not_cover_one_call_sends_none(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 10})
    async with ProviderServer() as server:
        await run(
            "run_collection.py",
            *("--models", "gpt-4o", "--dataset-path", str(dataset), "--max-cost", "0.01"),
            *("--output-dir", str(tmp_path / "out")),
            environment=pointed_at(server, "openai"),
        )
        assert server.requests == []


@pytest.mark.parametrize(
    ("requests", "tokens", "limit"),
    [(20.0, None, "20 requests/min"), (500.0, 1000.0, "1,000 tokens/min"), (None, None, None)],
)
def test_the_least_time_names_the_limit_that_it_rests_on(
    tmp_path: Path, requests: float | None, tokens: float | None, limit: str | None
) -> None:
    config = ModelConfig(
        name="mine",
        provider="openai",
        api_key_env="OPENAI_API_KEY",
        model_class="OpenAIModel",
        requests_per_minute=requests,
        tokens_per_minute=tokens,
    )
    problems = load_problems(write_dataset(tmp_path, {"sums": 10}))
    estimate = estimate_cost(make_model(config, api_key="x"), problems, 1, 0.0, {})
    all_tokens = estimate.input_tokens + estimate.expected_output_tokens
    assert (estimate.least_time.limit if estimate.least_time else None) == limit
    if estimate.least_time and requests:
        minutes = max(10 / requests, all_tokens / tokens if tokens else 0.0)
        assert estimate.least_time == LeastTime(minutes, str(limit))


@pytest.mark.slow
async def test_a_dry_run_knows_the_limits_that_an_earlier_session_met(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 10})
    command = ("--models", "gpt-4o", "--dataset-path", str(dataset))
    out = ("--output-dir", str(tmp_path / "out"))
    async with ProviderServer() as server:
        environment = pointed_at(server, "openai")
        first = await run("run_collection.py", *command, *out, environment=environment)
        assert first.exit_code == 0, first.output
        dry = await run("run_collection.py", *command, *out, "--dry-run", environment=environment)
    # The server announces 5,000 requests a minute, of which 99 % are used.
    assert "0.0 (4,950 requests/min, learned before)" in dry.stdout


@pytest.mark.slow
async def test_models_that_share_a_keys_limit_take_at_least_as_long_as_all_of_them(
    tmp_path: Path,
) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 10})
    config = ModelConfig(
        name="gpt-4o", provider="openai", api_key_env="OPENAI_API_KEY", model_class="OpenAIModel"
    )
    key = rate_scope(make_model(config, api_key="x")).key
    learned = {"learned_at": time.time(), "meters": {"requests": {"per_minute": 25}}, "models": {}}
    earlier = tmp_path / "out" / "earlier" / "rate_limits.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_text(json.dumps({"version": 1, "keys": {key: learned}}))

    dry = await run(
        "run_collection.py",
        *("--models", "gpt-4o", "gpt-5.5", "--dataset-path", str(dataset), "--dry-run"),
        *("--output-dir", str(tmp_path / "out")),
        environment={"OPENAI_API_KEY": "x"},
    )

    assert dry.exit_code == 0, dry.output
    rows = cells(dry.stdout)
    least = {label: row["minutes at least"] for label, row in rows.items()}
    assert least["gpt-4o"] == "0.4 (25 requests/min, learned before)"
    assert least["all"] == "0.8 (25 requests/min, learned before, all openai models)"
