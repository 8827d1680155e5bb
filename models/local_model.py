"""Models without a key: a GGUF file in this process, or a server on this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from config.errors import ConfigError, ModelError, ModelGone
from config.model_config import ModelConfig
from models.base_model import CallOptions
from models.chat_completions import ChatCompletionsModel
from models.embedded.embedded_llama import SLOTS, EmbeddedLlama
from models.embedded.local_catalog import find_gguf, with_api_path
from models.wire.client_pool import ClientPool
from models.wire.reply import Reply

_DEFAULT_CONTEXT_TOKENS = 4096


class LocalModel(ChatCompletionsModel):
    """A model of the server at LOCAL_BASE_URL, or of a GGUF file, which is loaded on entry.

    model_params: gguf_package names an installed package that ships a GGUF file; gguf_path is
    such a file; without either it is the server's. What else stands there goes into the request.
    Servers get max_tokens alone: Ollama does not know max_completion_tokens.
    """

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
        self._gguf_path: Path | None = None
        if package or path:
            self._gguf_path = find_gguf(package=str(package or ""), path=str(path or ""))
            self._context_tokens = config.context_tokens or _DEFAULT_CONTEXT_TOKENS
            self.max_tokens = min(self.max_tokens, self._context_tokens)
            self.most_at_once = SLOTS
        elif not self.base_url:
            raise ConfigError(
                f"{config.name}: set LOCAL_BASE_URL to the server's address, "
                "for example http://localhost:11434/v1"
            )
        else:
            self.base_url = with_api_path(self.base_url)

    @property
    def call_url(self) -> str:
        return "" if self._gguf_path else super().call_url

    async def __aenter__(self) -> Self:
        if self._gguf_path is not None:
            await (await self._llama(self._gguf_path)).load()
        return self

    async def exchange(self, body: Mapping[str, object]) -> Reply:
        if self._gguf_path is None:
            return await super().exchange(body)
        return await (await self._llama(self._gguf_path)).chat(body)

    def read_error(self, error: Exception) -> ModelError:
        if isinstance(error, ConfigError):  # the file cannot be loaded: no call will succeed
            return ModelGone(str(error))
        return super().read_error(error)

    async def _llama(self, gguf_path: Path) -> EmbeddedLlama:
        return await self.clients.get(
            (EmbeddedLlama, gguf_path, self._context_tokens),
            lambda: EmbeddedLlama(gguf_path, self._context_tokens),
        )
