"""Which way a model is asked where batches are wanted: through its batch API, or live, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from config.batch_limits import BATCH_LIMITS, BatchLimits
from config.model_selection import is_retired
from models.base_model import BaseModel
from models.batch.batch_api import BatchApi
from models.batch.batch_apis import batch_api
from models.catalog.pricing import Sold, discount


@dataclass(frozen=True, slots=True)
class BatchRoute:
    """A model that is asked in batches. share: of the live price, None where that is not known."""

    api: BatchApi
    limits: BatchLimits
    share: float | None

    @property
    def sold(self) -> Sold:
        """How its answers are priced: in full where no discount is known."""
        return "live" if self.share is None else "batch"


@dataclass(frozen=True, slots=True)
class LiveRoute:
    """A model that is asked live; why: the rest of a sentence that begins with its label."""

    why: str


def route_of(model: BaseModel, at_seconds: float) -> BatchRoute | LiveRoute:
    """Return how a model is asked; at_seconds: wall time, since prices change."""
    row, at = model.config, datetime.fromtimestamp(at_seconds, UTC)
    live = f"asked live, at the {'flex' if model.requested_tier == 'flex' else 'full'} price"
    if row.is_free:
        return LiveRoute("runs on this machine: asked live, free of charge")
    limits, api = BATCH_LIMITS.get(row.provider), batch_api(model)
    if limits is None or api is None:
        return LiveRoute(f"no batch API of {row.provider} is known: {live}")
    if row.api_id in limits.never_batched or is_retired(row, at.date()):
        return LiveRoute(f"{row.provider} takes it in no batch: {live}")
    share = discount(row, "batch", at)
    if share is None and row.api_id not in limits.cheaper_by_its_docs:
        return LiveRoute(f"no batch price of it is known: {live}")
    return BatchRoute(api, limits, share)


def route_words(models: Sequence[BaseModel], at_seconds: float) -> list[str]:
    """Return a line a model: how it will be asked, and at what price."""
    return [f"{m.config.label}: {_words(route_of(m, at_seconds))}" for m in models]


def _words(route: BatchRoute | LiveRoute) -> str:
    if isinstance(route, LiveRoute):
        return route.why
    if route.share is None:
        return (
            "in batches; its provider gives a discount that the price data lacks: counted in full"
        )
    return f"in batches, at {route.share:.0%} of the live price"
