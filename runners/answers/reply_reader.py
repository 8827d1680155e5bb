"""Which model reads the replies that rules cannot: one that somebody named, or none."""

from config.collection_settings import CollectionSettings
from config.environment import Environment
from config.errors import ConfigError
from config.model_config import ModelConfig
from config.model_configs import select_models

# The cheapest current model of each provider, in the order in which keys are looked for.
CHEAPEST_MODELS = (
    "gpt-6-luna",
    "claude-haiku-5-5",
    "gemini-3.5-flash-lite",
    "deepseek-flash-chat",
    "grok-4.3",
)


def reply_reader(settings: CollectionSettings, environment: Environment) -> ModelConfig | None:
    """Return the model that is asked for code, None where rules alone read the replies.

    That is EXTRACTION_MODEL, else the one that the session recorded; where only
    EXTRACTION_API_KEY is set, OpenAI's cheapest; and for --extraction agentic the cheapest whose
    key is set, or the first where none is. Raises ConfigError for an unknown name.
    """
    if settings.extraction == "regex":
        return None
    if named := environment.get("EXTRACTION_MODEL") or settings.extraction_model:
        return select_models([named])[0]
    cheapest = select_models(CHEAPEST_MODELS)
    if environment.get("EXTRACTION_API_KEY"):
        return cheapest[0]
    if settings.extraction == "auto":
        return None
    return next((config for config in cheapest if environment.can_call(config)), cheapest[0])


def reader_is_default(settings: CollectionSettings, environment: Environment) -> bool:
    """Return whether nobody named the model that reply_reader returns."""
    return not (environment.get("EXTRACTION_MODEL") or settings.extraction_model)


def refuse_reader_without_key(reader: ModelConfig, environment: Environment) -> None:
    """Raise ConfigError where the model that reads replies has no key."""
    if environment.get("EXTRACTION_API_KEY") or environment.can_call(reader):
        return
    raise ConfigError(
        f"{reader.name} is to read replies and has no key: set EXTRACTION_API_KEY or "
        f"{reader.api_key_env} in .env, or choose --extraction regex"
    )
