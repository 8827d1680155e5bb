"""The table of a dry run: what each model will be asked, and what that may cost."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from config.clock import SystemClock
from config.collection_settings import CollectionSettings
from config.rate_signal import Meter
from models.base_model import BaseModel
from models.catalog.pricing import Sold, load_prices
from prompts.placed_problems import AskedProblem
from runners.collection_runner import rate_scope
from runners.rate_limiter import AdaptiveRateLimiter, RateScope
from runners.session.cost_estimate import (
    CostEstimate,
    LeastTime,
    cheapest_call,
    estimate_cost,
    least_time_of_key,
    tasks_under_cap,
)
from runners.session.run_models import RunModels
from scripts._terminal import print_table, print_wrapped
from storage.session.rate_limits_file import read_rate_limits

_HEADINGS = (
    "model",
    "tasks",
    "tokens in",
    "out expected",
    "out at worst",
    "USD expected",
    "USD at worst",
    "minutes at least",
)
_GROUPS = (1, 3, 2, 1)
_SOLD_HEADINGS: Mapping[Sold, str] = {"flex": "USD at flex", "batch": "USD in batch"}
_AFTER_USD_EXPECTED = 6


def print_estimate(
    models: RunModels,
    problems: Sequence[AskedProblem],
    settings: CollectionSettings,
    missing_keys: Mapping[str, str],
) -> None:
    """Print one row a model, their total, what the figures rest on, and what a cap covers.

    missing_keys: label -> variable of each model whose key is not set yet.
    """
    learned = _learned(settings.output_dir)
    estimates = _estimates(models, problems, settings, learned)
    rows = [_row(estimate, missing_keys.get(estimate.label)) for estimate in estimates]
    if len(estimates) > 1:
        rows.append(_total(estimates, _least_time_of_all(models, estimates, learned)))
    print()
    _print_rows(rows, estimates)
    _print_basis(models.extraction, missing_keys)
    unknown = _unpriced(estimates)
    if unknown:
        print_wrapped(f"No price is known for {', '.join(unknown)}.")
    if settings.max_cost_usd is not None:
        print_wrapped(_cover(_as_sold(estimates, settings), settings.max_cost_usd))
    print()


def _print_rows(rows: list[list[str]], estimates: Sequence[CostEstimate]) -> None:
    """Print the table, with what the calls cost sold otherwise beside what they cost live.

    The total is that of a run in which all are sold so that can be.
    """
    headings, groups = list(_HEADINGS), list(_GROUPS)
    known = [sold for sold in _SOLD_HEADINGS if any(sold in e.sold_usd for e in estimates)]
    for place, sold in enumerate(known, _AFTER_USD_EXPECTED):
        column = [_usd_if(estimate.sold_usd.get(sold)) for estimate in estimates]
        headings.insert(place, _SOLD_HEADINGS[sold])
        groups[2] += 1
        total = sum(e.sold_usd.get(sold) or e.expected_usd or 0.0 for e in estimates)
        unknown = " + unknown" if _unpriced(estimates) else ""
        for row, cell in zip(rows, [*column, f"{_usd(total)}{unknown}"], strict=False):
            row.insert(place, cell)
    print_table(headings, rows, groups)


def expected_cost(
    models: RunModels, problems: Sequence[AskedProblem], settings: CollectionSettings
) -> str:
    """Return what a run is expected to cost, and at worst, in a few words."""
    estimates = _estimates(models, problems, settings, _learned(settings.output_dir))
    estimates = _as_sold(estimates, settings)
    expected = sum(estimate.expected_usd or 0.0 for estimate in estimates)
    worst = sum(estimate.worst_usd or 0.0 for estimate in estimates)
    unknown = _unpriced(estimates)
    more = f", and what {' and '.join(unknown)} costs, which is not known" if unknown else ""
    return f"about {expected:.2f} USD expected, {worst:.2f} USD at worst{more}"


def _estimates(
    models: RunModels,
    problems: Sequence[AskedProblem],
    settings: CollectionSettings,
    learned: AdaptiveRateLimiter,
) -> list[CostEstimate]:
    now = time.time()
    return [
        estimate_cost(
            model,
            problems,
            settings.samples,
            now,
            _sum_of_keys([learned.known_limits(_unconfigured_scope(each)) for each in keys]),
            settings.prompt,
            keys=len(keys),
        )
        for model in models.answering
        if (keys := models.of_each_key(model))
    ]


def _as_sold(estimates: Sequence[CostEstimate], settings: CollectionSettings) -> list[CostEstimate]:
    """Return the estimates at the price of a batch, of those that go into one."""
    return [_in_batches(estimate) if settings.batch else estimate for estimate in estimates]


def _in_batches(estimate: CostEstimate) -> CostEstimate:
    sold_usd, live_usd = estimate.sold_usd.get("batch"), estimate.expected_usd
    if sold_usd is None or not live_usd:
        return estimate
    share = sold_usd / live_usd
    return replace(
        estimate,
        expected_usd=sold_usd,
        worst_usd=estimate.worst_usd and share * estimate.worst_usd,
        least_call_usd=estimate.least_call_usd and share * estimate.least_call_usd,
    )


def _print_basis(reader: BaseModel | None, missing_keys: Mapping[str, str]) -> None:
    """Print what the figures rest on, and what comes on top of them."""
    data = load_prices()
    dated = f", data of {data.newest_price}" if data.newest_price else ""
    reading = ""
    if reader:
        label = reader.config.label
        no_key = f" (no key yet: {missing_keys[label]})" if label in missing_keys else ""
        reading = f", and replies that {label} reads{no_key}"
    print_wrapped("Tokens are estimated from prompts and reference solutions, not counted.")
    print_wrapped(
        f"At worst every answer takes all of its output budget. Retries{reading} come on top."
    )
    print_wrapped(f"Prices: genai-prices {data.version}, today's list prices{dated}.")


def _learned(output_dir: Path) -> AdaptiveRateLimiter:
    """Return a limiter that knows what a session that began now would."""
    clock = SystemClock()
    limiter = AdaptiveRateLimiter(clock)
    limiter.restore(read_rate_limits(output_dir / "a-new-session", clock.time()))
    return limiter


def _least_time_of_all(
    models: RunModels, estimates: Sequence[CostEstimate], learned: AdaptiveRateLimiter
) -> LeastTime | None:
    """Return how long models take at least that run at once, some of them with the same keys."""
    of_key = defaultdict[str, list[CostEstimate]](list)
    limits, providers = {}, {}
    for model, estimate in zip(models.answering, estimates, strict=True):
        scope, *further = map(rate_scope, models.of_each_key(model))
        of_key[scope.key].append(estimate)
        limits[scope.key] = _sum_of_keys(list(map(learned.known_key_limits, [scope, *further])))
        providers[scope.key] = model.config.provider
    times = (
        least_time_of_key(of_one, f"all {providers[key]} models", limits[key])
        for key, of_one in of_key.items()
    )
    return max((time for time in times if time), default=None)


def _sum_of_keys(limits: Sequence[Mapping[Meter, float]]) -> dict[Meter, float]:
    """Return what several keys allow together, of each meter whose limit is known of all."""
    known = set(limits[0]).intersection(*limits)
    return {meter: sum(each[meter] for each in limits) for meter in limits[0] if meter in known}


def _unconfigured_scope(model: BaseModel) -> RateScope:
    return replace(rate_scope(model), requests_per_minute=None, tokens_per_minute=None)


def _cover(estimates: Sequence[CostEstimate], cap_usd: float) -> str:
    """Return whether a cap covers the expected and the worst cost, and what fits if not."""
    tasks = sum(estimate.tasks for estimate in estimates)
    expected = tasks_under_cap(estimates, cap_usd, worst=False)
    worst = tasks_under_cap(estimates, cap_usd, worst=True)
    cap = f"--max-cost {cap_usd:g}"
    if _unpriced(estimates):
        cap += " (models without a known price not counted)"
    if worst == tasks:
        return f"{cap} covers the expected cost and the worst case."
    if expected == tasks:
        return f"{cap} covers the expected cost; at worst, about {worst} of {tasks} tasks fit."
    if expected == 0:
        call = cheapest_call(estimates)
        return f"{cap} does not cover one call, which may cost {call:.4f}: nothing would be sent."
    return (
        f"{cap} does not cover the expected cost: about {expected} of {tasks} tasks fit, "
        f"at worst about {worst}."
    )


def _unpriced(estimates: Sequence[CostEstimate]) -> list[str]:
    return [estimate.label for estimate in estimates if estimate.expected_usd is None]


def _least_time(time: LeastTime | None) -> str:
    return f"{time.minutes:.1f} ({time.limit})" if time else "no limit known"


def _row(estimate: CostEstimate, missing_key: str | None) -> list[str]:
    # Limits belong to a key: without one, none is known.
    time_or_key = f"no key yet: {missing_key}" if missing_key else _least_time(estimate.least_time)
    return [
        estimate.label,
        str(estimate.tasks),
        f"{estimate.input_tokens:,}",
        f"{estimate.expected_output_tokens:,}",
        f"{estimate.worst_output_tokens:,}",
        _usd(estimate.expected_usd),
        _usd(estimate.worst_usd),
        time_or_key,
    ]


def _total(estimates: Sequence[CostEstimate], least_time: LeastTime | None) -> list[str]:
    expected = [estimate.expected_usd or 0.0 for estimate in estimates]
    worst = [estimate.worst_usd or 0.0 for estimate in estimates]
    unknown = " + unknown" if _unpriced(estimates) else ""
    return [
        "all",
        str(sum(estimate.tasks for estimate in estimates)),
        f"{sum(estimate.input_tokens for estimate in estimates):,}",
        f"{sum(estimate.expected_output_tokens for estimate in estimates):,}",
        f"{sum(estimate.worst_output_tokens for estimate in estimates):,}",
        _usd(sum(expected)) + unknown,
        _usd(sum(worst)) + unknown,
        _least_time(least_time),
    ]


def _usd_if(amount: float | None) -> str:
    return "-" if amount is None else f"{amount:.4f}"


def _usd(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:.4f}"
