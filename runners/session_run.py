"""A plan in, a finished or interrupted session out: opens what a run needs, and closes it."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from types import FrameType

from config.clock import SystemClock
from config.collection_settings import CollectionSettings
from config.environment import Environment
from config.errors import CollectionError
from config.model_configs import ModelConfig
from models.base_model import BaseModel, CallOptions, make_model
from models.client_pool import ClientPool
from processors.solution_extractor import SolutionExtractor
from runners.collection_plan import CollectionPlan
from runners.collection_runner import CollectionRunner, RunOutcome
from runners.progress_display import make_display
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")


def build_models(
    plan: CollectionPlan, environment: Environment, clients: ClientPool
) -> list[BaseModel]:
    """Return the plan's models, their SDKs imported: call it before the event loop starts.

    Raises ConfigError where a model's class or what it imports is missing.
    """
    return [build_model(config, plan.settings, environment, clients) for config in plan.models]


def build_model(
    config: ModelConfig,
    settings: CollectionSettings,
    environment: Environment,
    clients: ClientPool,
) -> BaseModel:
    """Return one model with the user's key, address and call options."""
    return make_model(
        config,
        api_key=environment.api_key(config) or "",
        base_url=environment.base_url(config),
        options=CallOptions(
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            request_timeout_seconds=settings.request_timeout_seconds,
        ),
        clients=clients,
    )
