"""Tokens in, US dollars out, at the list prices that come with genai-prices.

The library is imported on first use (0.2 s, and 20 ms for its data at the first price); call
load_prices before the event loop starts to have that behind you. It takes 0.1 ms a price, so its
rates are kept for a minute; a price then takes 5 µs.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from config.model_config import ModelConfig
from config.model_selection import is_retired
from models.base_model import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

# Its names for the providers; those on Hugging Face's router are huggingface_<host>.
_PRICE_LISTS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "xai": "x-ai",
    "together": "together",
    "deepseek": "deepseek",
}
Sold = Literal["live", "batch", "flex"]  # how a call is sold: the same model, other prices
# What the library calls them. Where a model has no price for it, it says the full one.
_CONTEXTS: Mapping[Sold, Mapping[str, str]] = MappingProxyType(
    {"live": {}, "batch": {"processing": "batch"}, "flex": {"service_tier": "flex"}}
)
_MOST_APART = 4.0  # times, of the list price and what a reply says is billed
# These answer a retired name with its replacement, at the replacement's price.
_ROUTES_RETIRED = frozenset({"xai", "deepseek", "google"})


@dataclass(frozen=True, slots=True)
class PriceData:
    """Which prices these are; newest_price: the day from which the newest of them holds."""

    version: str
    newest_price: date | None


def load_prices() -> PriceData:
    """Return what the price data is, once it is loaded."""
    import genai_prices
    from genai_prices import data

    # The library imports more at its first price; in mid-run that could fail, and lose an answer.
    _list_price("openai", "gpt-4o", Usage(input_tokens=1, output_tokens=1), datetime.now(UTC))
    installed = date.fromtimestamp(Path(data.__file__).stat().st_mtime)
    # Prices that were announced for later are in it too.
    days = [day for day in _start_dates() if day <= installed]
    return PriceData(genai_prices.__version__, max(days, default=None))


def price(
    config: ModelConfig, usage: Usage, at: datetime | float, sold: Sold = "live"
) -> float | None:
    """Return what one call cost, None where the price is not known.

    at: when the call was sent, in seconds since 1970 or with its time zone: some prices depend
        on the date or the hour. sold: the full price where the data has none of its own for it.
    What a reply itself says that it is billed at goes before the list, where it can be meant.
    """
    sent_at = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    if config.is_free:
        return 0.0
    listed = _listed(config, sent_at.date())
    if listed is None:
        return None
    list_usd = _list_price(*listed, usage, sent_at, sold)
    if list_usd is None or usage.billed_usd is None:
        return list_usd
    return usage.billed_usd if _is_plausible(usage.billed_usd, list_usd) else list_usd


def discount(config: ModelConfig, sold: Sold, at: datetime | float) -> float | None:
    """Return the share of the live price that a call costs, None where no discount is known."""
    sent_at = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    listed = None if config.is_free else _listed(config, sent_at.date())
    if listed is None or not _has_own_price(
        *listed, sent_at.replace(second=0, microsecond=0), sold
    ):
        return None
    usage = Usage(input_tokens=1000, output_tokens=1000)
    live = _list_price(*listed, usage, sent_at)
    cheaper = _list_price(*listed, usage, sent_at, sold)
    return cheaper / live if live and cheaper is not None and cheaper < live else None


def _is_plausible(billed_usd: float, list_usd: float) -> bool:
    """Return whether a provider can mean what it says it bills: discounts and extras are small."""
    return list_usd / _MOST_APART <= billed_usd <= list_usd * _MOST_APART


def worst_case_price(
    config: ModelConfig,
    input_tokens: int,
    output_tokens: int,
    at: datetime | float,
    sold: Sold = "live",
) -> float | None:
    """Return the most that one call may cost within a day, None where the price is not known."""
    sent_at = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    if config.is_free:
        return 0.0
    listed = _listed(config, sent_at.date())
    if listed is None:
        return None
    hour = sent_at.replace(minute=0, second=0, microsecond=0)
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return _list_price(*listed, usage, _dearest_hour(*listed, hour), sold)


def _listed(config: ModelConfig, on: date) -> tuple[str, str] | None:
    """Return the price list and the model's name in it, None where there is no list."""
    model = config.api_id
    if config.provider in _ROUTES_RETIRED and is_retired(config, on):
        model = config.replacement or model
    if config.provider == "huggingface":
        model, _, host = model.partition(":")
        return f"huggingface_{host}", model
    price_list = _PRICE_LISTS.get(config.provider)
    return (price_list, model) if price_list else None


def _list_price(
    price_list: str, model: str, usage: Usage, at: datetime, sold: Sold = "live"
) -> float | None:
    # No price changes within a minute: hours of the day are the finest there is.
    rates = _rates(price_list, model, at.replace(second=0, microsecond=0), sold)
    if rates is None:
        return None
    if usage.input_tokens <= rates.up_to_input_tokens:
        return float(rates.cost(usage))
    calculated = _calculated(price_list, model, usage, at, sold)
    return float(calculated.total_price) if calculated else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """What a token costs in calls of at most so many input tokens, where no dearer tier begins."""

    up_to_input_tokens: float
    call: Decimal
    input: Decimal
    cached: Decimal
    output: Decimal

    def cost(self, usage: Usage) -> Decimal:
        cached = min(usage.cached_tokens, usage.input_tokens)
        paid = self.input * (usage.input_tokens - cached) + self.output * usage.output_tokens
        return self.call + paid + self.cached * cached


@lru_cache(maxsize=256)
def _rates(price_list: str, model: str, minute: datetime, sold: Sold) -> _Rates | None:
    """Return the rates of the lowest tier, read off the library's own answers."""
    nothing = _calculated(price_list, model, Usage(input_tokens=0, output_tokens=0), minute, sold)
    if nothing is None:
        return None
    from genai_prices.types import TieredPrices

    prices = vars(nothing.model_price).values()
    tiers = [tier for each in prices if isinstance(each, TieredPrices) for tier in each.tiers]
    starts = [tier.start for tier in tiers]
    tokens = min(starts, default=1_000_000)

    def rate(usage: Usage) -> Decimal:
        calculated = _calculated(price_list, model, usage, minute, sold)
        assert calculated is not None, "the list has just been found"
        return (calculated.total_price - nothing.total_price) / tokens

    return _Rates(
        up_to_input_tokens=tokens if starts else math.inf,
        call=nothing.total_price,
        input=rate(Usage(input_tokens=tokens, output_tokens=0)),
        cached=rate(Usage(input_tokens=tokens, output_tokens=0, cached_tokens=tokens)),
        output=rate(Usage(input_tokens=0, output_tokens=tokens)),
    )


@lru_cache(maxsize=256)
def _has_own_price(price_list: str, model: str, minute: datetime, sold: Sold) -> bool:
    nothing = _calculated(price_list, model, Usage(input_tokens=0, output_tokens=0), minute, sold)
    return nothing is not None and any(
        variant.when == _CONTEXTS[sold]
        and (variant.constraint is None or variant.constraint.active(minute))
        for variant in nothing.model.price_variants or ()
    )


def _calculated(
    price_list: str, model: str, usage: Usage, at: datetime, sold: Sold = "live"
) -> "PriceCalculation | None":
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    tokens = PricedUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
    )
    try:
        return calc_price(
            *(tokens, model),
            provider_id=price_list,
            genai_request_timestamp=at,
            price_context=dict(_CONTEXTS[sold]) or None,
        )
    except LookupError:
        return None


@lru_cache(maxsize=1024)
def _dearest_hour(price_list: str, model: str, hour: datetime) -> datetime:
    """Return the hour of the coming day in which a call costs most (DeepSeek has such hours)."""
    usage = Usage(input_tokens=1000, output_tokens=1000)
    hours = [hour + timedelta(hours=ahead) for ahead in range(24)]
    return max(hours, key=lambda then: _list_price(price_list, model, usage, then) or 0.0)


def _start_dates() -> Iterator[date]:
    from genai_prices.data import providers
    from genai_prices.types import StartDateConstraint

    for model in (model for provider in providers for model in provider.models):
        prices = model.prices if isinstance(model.prices, list) else []
        for conditional in (*prices, *(model.price_variants or ())):
            if isinstance(conditional.constraint, StartDateConstraint):
                yield conditional.constraint.start_date
