"""The models of a plan, built with the user's keys, addresses and options."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from config.collection_settings import CollectionSettings
from config.environment import ApiKey, Environment
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

    answering: each with its provider's first key.
    extraction: the model that is asked for code where rules find none; None for no LLM.
    further: label -> the same model with each further key of its provider.
    """

    answering: tuple[BaseModel, ...]
    extraction: BaseModel | None
    further: Mapping[str, tuple[BaseModel, ...]] = field(default_factory=dict)

    def of_each_key(self, model: BaseModel) -> tuple[BaseModel, ...]:
        """Return an answering model with each of its keys, itself first."""
        return (model, *self.further.get(model.config.label, ()))

    def __iter__(self) -> Iterator[BaseModel]:
        for model in self.answering:
            yield from self.of_each_key(model)
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
    answering = [
        _build_for_each_key(row, environment.api_keys(row), settings, environment, clients)
        for row in plan.models
    ]
    models = RunModels(
        answering=tuple(first for first, *_ in answering),
        further={first.config.label: tuple(more) for first, *more in answering if more},
        extraction=_build_extraction(plan.reader, settings, environment, clients)
        if plan.reader
        else None,
    )
    if not settings.batch:
        for model in models:
            import_now(model.sdk)
    if settings.max_cost_usd is not None and not settings.allow_unknown_prices:
        _refuse_unknown_prices(models)
    return models


def _refuse_unknown_prices(models: RunModels) -> None:
    now = datetime.now(UTC)
    unpriced = (m.config.label for m in models if worst_case_price(m.config, 1, 1, now) is None)
    if unknown := dict.fromkeys(unpriced):
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
    own = environment.get("EXTRACTION_API_KEY")
    keys = [ApiKey("EXTRACTION_API_KEY", own)] if own else environment.api_keys(config)
    for_copies = replace(settings, temperature=0.0, max_tokens=None, tier="default")
    return _build_for_each_key(config, keys[:1], for_copies, environment, clients)[0]


def _build_for_each_key(
    config: ModelConfig,
    keys: Sequence[ApiKey],
    settings: CollectionSettings,
    environment: Environment,
    clients: ClientPool,
) -> list[BaseModel]:
    """Return a model with each key, or once without one: it needs none, or nobody is asked."""
    keys = keys or [ApiKey(config.api_key_env, "")]
    return [_build(config, key, settings, environment, clients) for key in keys]


def _build(
    config: ModelConfig,
    key: ApiKey,
    settings: CollectionSettings,
    environment: Environment,
    clients: ClientPool,
) -> BaseModel:
    return make_model(
        config,
        api_key=key.key,
        base_url=environment.base_url(config),
        options=CallOptions(
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            request_timeout_seconds=settings.request_timeout_seconds,
            tier="default" if settings.tier == "default" else "flex",
            openai_organization=environment.beside("OPENAI_ORG_ID", key),
            openai_project=environment.beside("OPENAI_PROJECT_ID", key),
            key_variable=key.variable,
            secrets=environment.secrets([config.api_key_env]),
        ),
        clients=clients,
    )
