"""Models without a key: a GGUF file in this process."""

from pathlib import Path
from typing import ClassVar, Self

from config.errors import ConfigError, ModelError, ModelGone
from config.model_config import ModelConfig
from models.base_model import BaseModel, CallOptions, Completion, FinishReason
from models.client_pool import ClientPool
from models.embedded_llama import (
    DEFAULT_CONTEXT_TOKENS,
    INSTALL_COMMAND,
    EmbeddedLlama,
    missing_packages,
    packaged_weights,
)
from prompts.prompt_template import Prompt

_FINISH_REASONS: dict[str | None, FinishReason] = {"stop": "stop", "length": "length"}


class LocalModel(BaseModel):
    """A model on this machine, loaded on entry.

    model_params: gguf_package names an installed package that ships a GGUF file; gguf_path is
    such a file. What else stands there goes into the request.
    """

    default_base_url: ClassVar[str] = ""

    def __init__(
        self,
        config: ModelConfig,
        *,
        api_key: str = "",
        base_url: str | None = None,
        options: CallOptions | None = None,
        clients: ClientPool | None = None,
    ) -> None:
        super().__init__(
            config, api_key=api_key, base_url=base_url, options=options, clients=clients
        )
        package = self.extra_params.pop("gguf_package", None)
        path = self.extra_params.pop("gguf_path", None)
        self._gguf_path = _find_gguf(str(package or ""), str(path or ""))
        self._context_tokens = config.context_tokens or DEFAULT_CONTEXT_TOKENS
        self.max_tokens = min(self.max_tokens, self._context_tokens)

    async def __aenter__(self) -> Self:
        await (await self._llama()).load()
        return self

    async def send(self, prompt: Prompt) -> Completion:
        """Return the reply to one prompt, from the model in this process."""
        parameters = self.common_parameters()
        llama = await self._llama()
        reply = await llama.chat({"messages": _messages(prompt), **parameters})
        return Completion(
            text=reply.text,
            finish_reason=_FINISH_REASONS.get(reply.finish_reason, "other"),
            served_model=llama.gguf_path.name,
            request_id=reply.request_id,
            reasoning_text=reply.reasoning_text or None,
            usage=reply.usage,
            parameters=parameters,
        )

    def read_error(self, error: Exception) -> ModelError:
        if isinstance(error, ConfigError):  # the file cannot be loaded: no call will succeed
            return ModelGone(str(error))
        return super().read_error(error)

    async def _llama(self) -> EmbeddedLlama:
        identity = (EmbeddedLlama, self._gguf_path, self._context_tokens)
        return await self.clients.get(
            identity, lambda: EmbeddedLlama(self._gguf_path, self._context_tokens)
        )


def _find_gguf(package: str, path: str) -> Path:
    missing = missing_packages(package or None)
    if missing:
        raise ConfigError(f"{' and '.join(missing)} not installed: {INSTALL_COMMAND}")
    if package:
        return packaged_weights(package)
    file = Path(path).expanduser()
    if not file.is_file():
        raise ConfigError(f"{file}: no such GGUF file (see LOCAL_GGUF_PATH)")
    return file


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return [*system, {"role": "user", "content": prompt.user}]
