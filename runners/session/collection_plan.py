"""Settings in, everything that a run needs to know out: nothing is sent, nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from config.collection_settings import CollectionSettings, locate_dataset
from config.environment import Environment
from config.errors import ConfigError
from config.local_rows import gguf_rows
from config.model_config import INSTALL_LOCAL
from config.model_configs import MODEL_CONFIGS, ModelConfig, select_models
from config.model_selection import default_models, is_retired, served_models
from prompts.problems import Problem, first_of_each_category, load_problems

EMBEDDED_MODEL_LINE = "python scripts/run_collection.py --quick-test --models smollm2_135m"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionPlan:
    """One run, ready to go.

    settings: with nothing left to look up.
    problems: what every model is asked, in order.
    notes: what the user should know about what was chosen, a line each.
    """

    settings: CollectionSettings
    models: tuple[ModelConfig, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def total_tasks(self) -> int:
        return len(self.models) * len(self.problems) * self.settings.samples

    @property
    def content_hashes(self) -> dict[str, str]:
        """task_id -> a hash that changes with what is asked."""
        return {problem.task_id: problem.content_hash for problem in self.problems}

    @property
    def categories(self) -> list[str]:
        return list(dict.fromkeys(problem.category for problem in self.problems))


def plan_collection(
    settings: CollectionSettings, environment: Environment, root: Path, today: date
) -> CollectionPlan:
    """Return the plan of one run.

    Raises ConfigError or DatasetError where it cannot be run as asked.
    """
    models, notes = choose_models(settings, environment, today)
    dataset, is_starter = locate_dataset(settings, root)
    if is_starter:
        notes.append(f"No dataset at the default places: using the starter problems in {dataset}")
    problems = load_problems(dataset, settings.categories)
    if settings.quick_test:
        problems = first_of_each_category(problems)
    return CollectionPlan(
        settings=settings.resolved(
            models=tuple(config.name for config in models), dataset_path=dataset
        ),
        models=tuple(models),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def choose_models(
    settings: CollectionSettings, environment: Environment, today: date
) -> tuple[list[ModelConfig], list[str]]:
    """Return the models of a run, and notes on how they came to be chosen.

    Raises ConfigError for an unknown name, and for a chosen model whose key is not set.
    """
    if settings.models:
        return _named_models(settings.models, environment, today)
    if settings.all_models:
        return _all_models(environment, today)
    return _default_models(environment, today)


def _named_models(
    names: Sequence[str], environment: Environment, today: date
) -> tuple[list[ModelConfig], list[str]]:
    if "local_gguf" in names and not gguf_rows(environment):
        raise ConfigError("local_gguf: set LOCAL_GGUF_PATH to a .gguf file")
    models = select_models(names, [*MODEL_CONFIGS, *gguf_rows(environment)])
    missing = [config for config in models if not environment.can_call(config)]
    if missing:
        variables = dict.fromkeys(config.api_key_env for config in missing)
        raise ConfigError(
            f"no key for {', '.join(config.name for config in missing)}: "
            f"set {', '.join(variables)} in .env. smollm2_135m needs none: {EMBEDDED_MODEL_LINE}"
        )
    for config in models:
        if config.missing_packages:
            raise ConfigError(f"{config.name} is not installed: {INSTALL_LOCAL}")
    return models, [_retirement(config) for config in models if is_retired(config, today)]


def _all_models(environment: Environment, today: date) -> tuple[list[ModelConfig], list[str]]:
    models = [
        config
        for config in served_models(MODEL_CONFIGS, today)
        if config.api_key_env and environment.can_call(config)
    ]
    if not models:
        raise ConfigError(_no_key("--all-models takes every model whose key is set: none is"))
    return models, []


def _default_models(environment: Environment, today: date) -> tuple[list[ModelConfig], list[str]]:
    defaults = default_models(MODEL_CONFIGS, today)
    notes = [
        f"{choice.replaces.label} was retired on {choice.replaces.retired}: "
        f"using {choice.config.label} instead"
        for choice in defaults
        if choice.replaces
    ]
    models = []
    for choice in defaults:
        if environment.can_call(choice.config):
            models.append(choice.config)
        else:
            notes.append(f"{choice.config.label} skipped: {choice.config.api_key_env} is not set")
    if not models:
        raise ConfigError(_no_key("no --models given, and no key of the default models is set"))
    return models, notes


def _no_key(reason: str) -> str:
    return (
        f"{reason}. Put keys into .env (cp .env.example .env), or run the embedded model, "
        f"which needs none: {EMBEDDED_MODEL_LINE}"
    )


def _retirement(config: ModelConfig) -> str:
    instead = f"; its provider names {config.replacement} instead" if config.replacement else ""
    return f"{config.label} was retired on {config.retired}{instead}. Trying all the same"
