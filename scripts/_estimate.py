"""The table of a dry run: what each model will be asked, and what that may cost."""

import time
from collections.abc import Sequence

from models.base_model import BaseModel
from models.pricing import load_prices
from prompts.problems import Problem
from runners.cost_estimate import CostEstimate, estimate_cost
from scripts._report import print_table

_HEADINGS = (
    "model",
    "tasks",
    "input tokens",
    "output expected",
    "output at worst",
    "USD expected",
    "USD at worst",
    "minutes at least",
)


def print_estimate(models: Sequence[BaseModel], problems: Sequence[Problem]) -> None:
    """Print one row a model, the total where there are several, and where the figures are from."""
    estimates = [estimate_cost(model, problems, time.time()) for model in models]
    rows = [_row(estimate) for estimate in estimates]
    if len(estimates) > 1:
        rows.append(_total(estimates))
    print()
    print_table(_HEADINGS, rows)
    data = load_prices()
    dated = f", data of {data.newest_price}" if data.newest_price else ""
    print("Tokens are estimated from the lengths of prompts and reference solutions.")
    print(f"Prices: genai-prices {data.version}{dated}.")
    unknown = [estimate.label for estimate in estimates if estimate.expected_usd is None]
    if unknown:
        print(f"No price is known for {', '.join(unknown)}.")
    print()


def _row(estimate: CostEstimate) -> list[str]:
    return [
        estimate.label,
        str(estimate.tasks),
        f"{estimate.input_tokens:,}",
        f"{estimate.expected_output_tokens:,}",
        f"{estimate.worst_output_tokens:,}",
        _usd(estimate.expected_usd),
        _usd(estimate.worst_usd),
        "unknown" if estimate.least_minutes is None else f"{estimate.least_minutes:.1f}",
    ]


def _total(estimates: Sequence[CostEstimate]) -> list[str]:
    expected = [estimate.expected_usd or 0.0 for estimate in estimates]
    worst = [estimate.worst_usd or 0.0 for estimate in estimates]
    return [
        "all",
        str(sum(estimate.tasks for estimate in estimates)),
        f"{sum(estimate.input_tokens for estimate in estimates):,}",
        f"{sum(estimate.expected_output_tokens for estimate in estimates):,}",
        f"{sum(estimate.worst_output_tokens for estimate in estimates):,}",
        _usd(sum(expected)),
        _usd(sum(worst)),
        "",
    ]


def _usd(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:.4f}"
