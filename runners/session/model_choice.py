"""Settings in, the models that a run asks out, with what the user should know about the choice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from config.collection_settings import CollectionSettings
from config.environment import Environment
from config.errors import ConfigError
from config.local_rows import gguf_rows
from config.model_config import INSTALL_LOCAL
from config.model_configs import MODEL_CONFIGS, ModelConfig, select_models
from config.model_selection import (
    default_models,
    is_retired,
    recorded_models,
    served_models,
)

EMBEDDED_MODEL_LINE = "python scripts/run_collection.py --quick-test --models smollm2_135m"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """The models of a run. notes and warnings: a line each, on how they came to be chosen."""

    models: list[ModelConfig]
    notes: list[str]
    warnings: list[str]


def choose_models(
    settings: CollectionSettings, environment: Environment, today: date, *, needs_keys: bool
) -> ModelChoice:
    """Return the models of a run.

    needs_keys: False for a dry run, which asks nobody. Raises ConfigError for an unknown name,
    and for a chosen model whose key is needed and not set.
    """
    if settings.models:
        return _named_models(settings, environment, today, needs_keys=needs_keys)
    if settings.all_models:
        return _all_models(environment, today)
    return _default_models(environment, today, needs_keys=needs_keys)


def recorded_settings(settings: CollectionSettings, environment: Environment) -> CollectionSettings:
    """Return a session's settings with its API ids; where it kept none, the rows' own were sent.

    Raises ConfigError for a name that is unknown now.
    """
    models = _recorded(settings, environment)
    return replace(settings, api_ids=tuple(config.api_id for config in models))


def _named_models(
    settings: CollectionSettings, environment: Environment, today: date, *, needs_keys: bool
) -> ModelChoice:
    if settings.api_ids:
        models = _recorded(settings, environment)
    else:
        models = select_models(settings.models, _rows_for(settings, environment))
    if needs_keys:
        _refuse_missing_keys(models, environment)
    for config in models:
        if config.missing_packages:
            raise ConfigError(f"{config.name} is not installed: {INSTALL_LOCAL}")
    warnings = [_retirement(config) for config in models if is_retired(config, today)]
    return ModelChoice(models=models, notes=[], warnings=warnings)


def _recorded(settings: CollectionSettings, environment: Environment) -> list[ModelConfig]:
    rows = _rows_for(settings, environment)
    return recorded_models(settings.models, settings.api_ids, rows)


def _rows_for(settings: CollectionSettings, environment: Environment) -> list[ModelConfig]:
    of_this_machine = gguf_rows(environment)
    if "local_gguf" in settings.models and not of_this_machine:
        raise ConfigError("local_gguf: set LOCAL_GGUF_PATH to a .gguf file")
    return [*MODEL_CONFIGS, *of_this_machine]


def _refuse_missing_keys(models: Sequence[ModelConfig], environment: Environment) -> None:
    missing = [config for config in models if not environment.can_call(config)]
    if missing:
        variables = dict.fromkeys(config.api_key_env for config in missing)
        raise ConfigError(
            f"no key for {', '.join(config.name for config in missing)}: "
            f"set {', '.join(variables)} in .env. smollm2_135m needs none: {EMBEDDED_MODEL_LINE}"
        )


def _all_models(environment: Environment, today: date) -> ModelChoice:
    models = [
        config
        for config in served_models(MODEL_CONFIGS, today)
        if config.api_key_env and environment.can_call(config)
    ]
    if not models:
        raise ConfigError(_no_key("--all-models takes every model whose key is set: none is"))
    return ModelChoice(models=models, notes=[], warnings=[])


def _default_models(environment: Environment, today: date, *, needs_keys: bool) -> ModelChoice:
    defaults = default_models(MODEL_CONFIGS, today)
    with_key = [choice for choice in defaults if environment.can_call(choice.config)]
    if not with_key and needs_keys:
        raise ConfigError(_no_key("no --models given, and no key of the default models is set"))
    chosen = with_key or defaults
    notes = [
        f"{choice.config.label} stands in for {choice.replaces.label}, "
        f"retired {choice.replaces.retired}"
        for choice in chosen
        if choice.replaces
    ]
    notes += [
        f"{choice.config.label} skipped: {choice.config.api_key_env} is not set"
        for choice in defaults
        if choice not in chosen
    ]
    return ModelChoice(models=[choice.config for choice in chosen], notes=notes, warnings=[])


def _no_key(reason: str) -> str:
    return (
        f"{reason}. Put keys into .env (cp .env.example .env), or run the embedded model, "
        f"which needs none: {EMBEDDED_MODEL_LINE}"
    )


def _retirement(config: ModelConfig) -> str:
    instead = f"; its provider names {config.replacement} instead" if config.replacement else ""
    return f"{config.label} was retired on {config.retired}{instead}. Trying all the same"
