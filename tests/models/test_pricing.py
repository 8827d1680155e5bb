"""Prices of calls, from the data that comes with genai-prices."""

import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import genai_prices
import pytest

from config.model_config import ModelConfig
from config.model_configs import MODEL_CONFIGS, select_models
from config.model_selection import is_retired, served_models
from models.base_model import Usage
from models.catalog.pricing import load_prices, price, worst_case_price

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parent.parent.parent
# In the registry, but not in genai-prices 0.2.3.
UNPRICED = {
    "gpt-6.2-astra",
    "gpt-6.2-sol",
    "claude-mythos-5",
    "claude-mythos-5-1",
    "gemini-4-carbon",
    "gemini-4-hydrogen",
}


def row(name: str) -> ModelConfig:
    return select_models([name])[0]


@pytest.mark.parametrize(
    ("name", "usage", "dollars"),
    [
        # 800 at 2.50, 200 cached at 1.25, 500 at 10.00 a million
        ("gpt-4o", Usage(input_tokens=1000, cached_tokens=200, output_tokens=500), 0.00725),
        # 1000 at 1.00, 100 cached at 0.10, 500 at 5.00
        (
            "claude-haiku-4-5",
            Usage(input_tokens=1100, cached_tokens=100, output_tokens=500),
            0.00351,
        ),
        # 1000 at 0.30, 500 and 300 thoughts at 2.50
        (
            "gemini-2.5-flash",
            Usage(input_tokens=1000, output_tokens=800, reasoning_tokens=300),
            0.0023,
        ),
        # 1000 at 2.00, 500 and 100 reasoning at 6.00: not 700
        (
            "grok-4.7",
            Usage(input_tokens=1000, output_tokens=600, reasoning_tokens=100),
            0.0056,
        ),
        # 1000 at 0.15, 500 at 0.60
        (
            "deepseek-flash",
            Usage(input_tokens=1000, output_tokens=500, reasoning_tokens=400),
            0.00045,
        ),
        ("smollm2_135m", Usage(input_tokens=1000, output_tokens=500), 0.0),
        ("local:llama3.2", Usage(input_tokens=1000, output_tokens=500), 0.0),
        ("gpt-6.2-astra", Usage(input_tokens=1000, output_tokens=500), None),
    ],
)
def test_price_of_a_call(name: str, usage: Usage, dollars: float | None) -> None:
    assert price(row(name), usage, NOON) == (dollars and pytest.approx(dollars))


def test_a_time_may_be_seconds_since_1970() -> None:
    usage = Usage(input_tokens=1000, output_tokens=500)
    deepseek = row("deepseek-flash")
    assert price(deepseek, usage, NOON.timestamp()) == price(deepseek, usage, NOON)


def test_hours_and_dates_count() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    deepseek, gemini = row("deepseek-flash"), row("gemini-3.8-flash")
    peak = NOON.replace(hour=8)
    assert price(deepseek, usage, NOON) == pytest.approx(0.15)
    assert price(deepseek, usage, peak) == pytest.approx(0.30)
    small = Usage(input_tokens=1000, output_tokens=0)
    assert price(gemini, small, NOON) == pytest.approx(0.00075)
    assert price(gemini, small, datetime(2027, 1, 2, tzinfo=UTC)) == pytest.approx(0.0015)


def test_a_retired_name_costs_what_answers_for_it() -> None:
    usage = Usage(input_tokens=1000, output_tokens=500)
    today = price(row("grok-3"), usage, NOON)
    before = price(row("grok-3"), usage, datetime(2026, 1, 1, tzinfo=UTC))
    assert today == price(row("grok-4.3"), usage, NOON)
    assert before == pytest.approx(1000 * 3e-6 + 500 * 15e-6)


def test_more_cached_than_sent_is_no_crash() -> None:
    usage = Usage(input_tokens=10, output_tokens=1, cached_tokens=20)
    cost = price(row("gpt-4o"), usage, NOON)
    assert cost is not None
    assert cost > 0


@pytest.mark.parametrize("provider", ["myprovider", "huggingface"])
def test_what_nobody_lists_has_no_price(provider: str) -> None:
    config = ModelConfig(name="m", provider=provider, api_key_env="K", model_class="C")
    assert price(config, Usage(input_tokens=1, output_tokens=1), NOON) is None
    assert worst_case_price(config, 1, 1, NOON) is None


@pytest.mark.parametrize("config", served_models(MODEL_CONFIGS, NOON.date()), ids=lambda r: r.name)
def test_every_served_model_has_a_price_or_is_known_to_have_none(config: ModelConfig) -> None:
    cost = price(config, Usage(input_tokens=1000, output_tokens=500), NOON)
    assert (cost is None) == (config.name in UNPRICED)


def test_the_worst_case_takes_the_dearest_hour_ahead() -> None:
    deepseek = row("deepseek-flash")
    worst = worst_case_price(deepseek, 1000, 4096, NOON)
    usage = Usage(input_tokens=1000, output_tokens=4096)
    assert worst == price(deepseek, usage, NOON.replace(hour=8))
    assert worst_case_price(row("smollm2_135m"), 1000, 4096, NOON) == 0.0


@pytest.mark.slow
def test_the_worst_case_is_never_less_than_the_call() -> None:
    usage = Usage(input_tokens=900, cached_tokens=400, output_tokens=4096)
    for config in served_models(MODEL_CONFIGS, NOON.date()):
        cost, worst = price(config, usage, NOON), worst_case_price(config, 900, 4096, NOON)
        assert cost is None or (worst is not None and worst >= cost)


def test_the_data_says_how_old_it_is() -> None:
    data = load_prices()
    assert data.version.count(".") == 2
    assert data.newest_price is not None
    assert date(2026, 1, 1) < data.newest_price <= date.today()


def test_the_library_is_loaded_on_first_use_alone() -> None:
    code = (
        "import sys, models.catalog.pricing; before = 'genai_prices' in sys.modules; "
        "models.catalog.pricing.load_prices(); print(before, 'genai_prices' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False True\n", done.stderr


def test_kept_rates_give_what_the_library_says() -> None:
    """Every priced model, below and above its tiers, in dear hours and cheap ones."""
    chance = random.Random(7)
    for config in MODEL_CONFIGS:
        for hour in (0, 3, 8, 17):
            at = NOON.replace(hour=hour, minute=chance.randrange(60), second=chance.randrange(60))
            paid = price(config, Usage(input_tokens=1000, output_tokens=1000), at)
            if paid is None or config.provider in ("local", "huggingface"):
                continue
            for _ in range(4):
                usage = Usage(
                    input_tokens=chance.choice((10, 900, 127_999, 200_000, 200_001, 500_000)),
                    cached_tokens=chance.choice((0, 7, 100_000)),
                    output_tokens=chance.randrange(10_000),
                )
                expected = library_price(config, usage, at)
                assert price(config, usage, at) == pytest.approx(expected, rel=1e-12), config.name


def library_price(config: ModelConfig, usage: Usage, at: datetime) -> float:
    lists = {"xai": "x-ai"}
    routed = config.provider in ("xai", "deepseek", "google") and is_retired(config, at.date())
    model = (config.replacement if routed else None) or config.api_id
    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
    )
    cost = genai_prices.calc_price(
        tokens,
        model,
        provider_id=lists.get(config.provider, config.provider),
        genai_request_timestamp=at,
    )
    return float(cost.total_price)


@pytest.mark.parametrize(
    ("billed_usd", "is_believed"),
    [(0.0013, True), (0.0008, True), (0.0, False), (-1.0, False), (9.0, False), (1e300, False)],
)
def test_what_a_reply_says_it_is_billed_at_goes_before_the_list_unless_absurd(
    billed_usd: float, is_believed: bool
) -> None:
    counts = Usage(input_tokens=400, output_tokens=200)
    listed = price(row("grok-4.3"), counts, NOON)
    assert listed == pytest.approx(0.001)
    cost_usd = price(row("grok-4.3"), replace(counts, billed_usd=billed_usd), NOON)
    assert cost_usd == (billed_usd if is_believed else listed)
    assert price(row("gpt-6.2-sol"), replace(counts, billed_usd=billed_usd), NOON) is None
