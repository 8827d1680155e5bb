"""The models of a plan, built with the user's keys, addresses and options."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from config.collection_settings import CollectionSettings
from config.environment import Environment
from config.errors import ConfigError
from config.model_config import ModelConfig
from models.base_model import BaseModel, CallOptions, make_model
from models.catalog.pricing import load_prices, worst_case_price
from models.wire.client_pool import ClientPool
from models.wire.sdk_import import import_now
from runners.session.collection_plan import CollectionPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunModels:
    """The run's models; nothing is open yet.

    extraction: the model that is asked for code where rules find none; None for no LLM.
    """

    answering: tuple[BaseModel, ...]
    extraction: BaseModel | None

    def __iter__(self) -> Iterator[BaseModel]:
        yield from self.answering
        if self.extraction:
            yield self.extraction


def build_models(plan: CollectionPlan, environment: Environment, clients: ClientPool) -> RunModels:
    """Return the plan's models; call it before the event loop starts: SDKs take 0.5 to 2 s.

    With batches an SDK is imported once a call needs it, which may be never.

    Raises ConfigError where a model's class, or what it imports, is missing, and under a cap for
    models without a known price.
    """
    settings = plan.settings
    load_prices()
    models = RunModels(
        answering=tuple(_build(config, settings, environment, clients) for config in plan.models),
        extraction=_build_extraction(plan.reader, settings, environment, clients)
        if plan.reader
        else None,
    )
    if not settings.batch:
        for model in models:
            import_now(model.sdk)
    if settings.max_cost_usd is not None and not settings.allow_unknown_prices:
        _refuse_unknown_prices(list(models))
    return models


def _refuse_unknown_prices(models: Sequence[BaseModel]) -> None:
    now = datetime.now(UTC)
    unknown = [m.config.label for m in models if worst_case_price(m.config, 1, 1, now) is None]
    if unknown:
        raise ConfigError(
            f"--max-cost cannot hold: no price is known for {', '.join(unknown)}; leave them out, "
            "or count them as free with --allow-unknown-prices"
        )


def _build_extraction(
    config: ModelConfig,
    settings: CollectionSettings,
    environment: Environment,
    clients: ClientPool,
) -> BaseModel:
    """Return the model that copies code, with its own key.

    --temperature and --tier are for answers alone.
    """
    key = environment.get("EXTRACTION_API_KEY") or environment.api_key(config)
    for_copies = replace(settings, temperature=0.0, max_tokens=None, tier="default")
    return _build(config, for_copies, environment, clients, api_key=key)


def _build(
    config: ModelConfig,
    settings: CollectionSettings,
    environment: Environment,
    clients: ClientPool,
    *,
    api_key: str | None = None,
) -> BaseModel:
    return make_model(
        config,
        api_key=api_key or environment.api_key(config) or "",
        base_url=environment.base_url(config),
        options=CallOptions(
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            request_timeout_seconds=settings.request_timeout_seconds,
            tier="default" if settings.tier == "default" else "flex",
            openai_organization=environment.get("OPENAI_ORG_ID"),
            openai_project=environment.get("OPENAI_PROJECT_ID"),
            secrets=environment.secrets([config.api_key_env]),
        ),
        clients=clients,
    )
