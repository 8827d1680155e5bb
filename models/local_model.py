"""Models without a key: a GGUF file in this process, or a server on this machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from config.clock import SystemClock
from config.errors import ConfigError, ModelError, ModelGone
from config.model_config import ModelConfig
from models.base_model import BaseModel, CallOptions
from models.chat_completions import ChatCompletionsModel
from models.embedded.embedded_llama import SLOTS, EmbeddedLlama
from models.embedded.local_catalog import addresses_in, find_gguf
from models.wire.client_pool import ClientPool
from models.wire.replicas import NEVER_REACHED, Replicas
from models.wire.reply import Reply

_DEFAULT_CONTEXT_TOKENS = 4096


class LocalModel(ChatCompletionsModel):
    """A model of the servers at LOCAL_BASE_URL, or of a GGUF file, which is loaded on entry.

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
        addresses = addresses_in(base_url or "")
        first = addresses[0] if addresses else base_url
        super().__init__(config, api_key=api_key, base_url=first, options=options, clients=clients)
        package = self.extra_params.pop("gguf_package", None)
        path = self.extra_params.pop("gguf_path", None)
        self._gguf_path: Path | None = None
        self.base_urls: tuple[str, ...] = (self.base_url,)
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
            self._serve_from(addresses)

    def _serve_from(self, addresses: Sequence[str]) -> None:
        """Raises ConfigError where one of them is no address."""
        for address in reversed(addresses):
            self.base_url = address
            self._check_address()
        self.base_urls = tuple(addresses)
        self.base_url = self.base_urls[0]
        self._replicas = Replicas(self.base_urls, SystemClock())

    @property
    def runs_here(self) -> bool:
        """Whether it works in this process, and asks no server."""
        return self._gguf_path is not None

    @property
    def call_url(self) -> str:
        if self._gguf_path or len(self.base_urls) > 1:  # each call may go somewhere else
            return ""
        return super().call_url

    def at_each_address(self) -> list[BaseModel]:
        return [
            LocalModel(
                self.config,
                api_key=self.api_key,
                base_url=address,
                options=self.options,
                clients=self.clients,
            )
            for address in self.base_urls
        ]

    async def __aenter__(self) -> Self:
        if self._gguf_path is not None:
            await (await self._llama(self._gguf_path)).load()
        return self

    async def exchange(self, body: Mapping[str, object]) -> Reply:
        if self._gguf_path is not None:
            return await (await self._llama(self._gguf_path)).chat(body)
        if len(self.base_urls) == 1:
            return await super().exchange(body)
        return await self._exchange_somewhere(body)

    async def _exchange_somewhere(self, body: Mapping[str, object]) -> Reply:
        """Return the reply of one address; where nobody is found, that of another one.

        What was sent and got lost is not sent again here: it may have been worked on.
        """
        tried: list[str] = []
        unreached: Exception | None = None
        while replica := self._replicas.choose(tried):
            tried.append(replica.address)
            sent_at = SystemClock().monotonic()
            try:
                with self._replicas.calling(replica):
                    url = f"{replica.address}/chat/completions"
                    reply = await self.exchange_at(replica.address, url, body)
            except NEVER_REACHED as error:
                unreached = error
                continue
            self._replicas.note(replica, reply, sent_at)
            return reply
        assert unreached is not None, "the first choice is never none"
        raise unreached

    def read_error(self, error: Exception) -> ModelError:
        if isinstance(error, ConfigError):  # the file cannot be loaded: no call will succeed
            return ModelGone(str(error))
        return super().read_error(error)

    async def _llama(self, gguf_path: Path) -> EmbeddedLlama:
        return await self.clients.get(
            (EmbeddedLlama, gguf_path, self._context_tokens),
            lambda: EmbeddedLlama(gguf_path, self._context_tokens),
        )
