"""Rows and models for tests on the wire: each provider with a key and an address of its own."""

from collections.abc import Mapping

from config.model_config import ModelConfig, ParameterValue
from models.base_model import BaseModel, CallOptions, make_model
from models.wire.client_pool import ClientPool
from prompts.prompt_template import Prompt
from tests.support.provider_formats import Provider
from tests.support.provider_server import ProviderServer

PROMPT = Prompt(system="You write Python.", user="Write this function and name it exactly `add`.")
MODEL_CLASSES: Mapping[Provider, str] = {
    "openai": "OpenAIModel",
    "xai": "XAIModel",
    "together": "MetaModel",
    "huggingface": "MetaModel",
    "deepseek": "DeepSeekModel",
    "local": "LocalModel",
}
CHAT_PROVIDERS = tuple(MODEL_CLASSES)


def key_of(provider: str) -> str:
    """Return the key that a test's model of this provider holds."""
    return f"{provider}-key-0123456789abcdef0123456789abcdef"


def row(
    provider: Provider,
    params: Mapping[str, ParameterValue] | None = None,
    *,
    reasons: bool = False,
    accepts_temperature: bool = True,
) -> ModelConfig:
    """Return a registry row whose API id is "some-model"."""
    return ModelConfig(
        name=f"{provider}_model",
        provider=provider,
        api_key_env=f"{provider.upper()}_API_KEY",
        model_class=MODEL_CLASSES[provider],
        model_params={"model_name": "some-model", **(params or {})},
        reasons=reasons,
        accepts_temperature=accepts_temperature,
    )


def connect(
    server: ProviderServer,
    config: ModelConfig,
    clients: ClientPool,
    options: CallOptions | None = None,
) -> BaseModel:
    """Return the row's model, pointed at its provider's prefix on the server."""
    prefix = next(name for name in MODEL_CLASSES if name == config.provider)
    return make_model(
        config,
        api_key=key_of(config.provider),
        base_url=server.url(prefix),
        options=options,
        clients=clients,
    )
