"""Asks an LLM for the code in a reply, through the same gate and retries as any call."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from config.collection_settings import CollectionSettings
from config.environment import Environment
from config.model_configs import ModelConfig, select_models
from config.errors import LaneClosed, ModelError
from models.base_model import Completion
from models.pricing import price
from prompts.prompt_template import Prompt
from runners.lane import Lane
from runners.reliable_call import GaveUp, ReliableCaller

logger = logging.getLogger("collector")

# The cheapest current model of each provider, in the order in which keys are looked for.
CHEAPEST_MODELS = (
    "gpt-6-luna",
    "claude-haiku-5-5",
    "gemini-3.5-flash-lite",
    "deepseek-flash-chat",
)


def extraction_config(
    settings: CollectionSettings, environment: Environment
) -> ModelConfig | None:
    """Return the model that extracts, None where no LLM may or can be asked.

    Raises ConfigError where EXTRACTION_MODEL is unknown.
    """
    if settings.extraction == "regex":
        return None
    named = environment.get("EXTRACTION_MODEL")
    return None
