"""A GGUF file in, chat replies out: llama.cpp inside this process, on worker threads."""

import asyncio
import importlib
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from config.errors import BadReply, BadRequest, ConfigError
from models.base_model import Usage
from models.reply_errors import error_from_reply

INSTALL_COMMAND = "pip install --no-deps -r requirements-local.txt"
SLOTS = 4  # on two cores four answers at once come twice as fast as one after the other
DEFAULT_CONTEXT_TOKENS = 4096
_RUNTIME_PACKAGE = "xllamacpp"
_ERRORS_ONLY = 1  # llama.cpp's verbosity: 0 nothing, 1 errors, 2 warnings, 3 information


def missing_packages(weights_package: str | None = None) -> list[str]:
    """Return which of the packages that the embedded model needs are not installed.

    Imports none of them: quick enough for a list of models.
    """
    wanted = [_RUNTIME_PACKAGE] + ([weights_package] if weights_package else [])
    return [name for name in wanted if find_spec(name) is None]


def packaged_weights(package: str) -> Path:
    """Return the GGUF file that an installed package ships, without importing the package.

    Raises ConfigError where there is none.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise ConfigError(f"the package {package} holds no .gguf file: {INSTALL_COMMAND}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """One reply of llama.cpp, its pieces joined; finish_reason is None where it broke off."""

    text: str
    reasoning_text: str
    finish_reason: str | None
    usage: Usage | None
    request_id: str | None


class EmbeddedLlama:
    """One GGUF file, answering up to SLOTS chats at once.

    Loaded at the first chat or by load(); an async context manager that frees it at the end.
    context_tokens: the room that one chat's prompt and answer share.
    """

    def __init__(self, gguf_path: Path, context_tokens: int) -> None:
        self.gguf_path = gguf_path
        self.context_tokens = context_tokens
        self._threads = ThreadPoolExecutor(max_workers=SLOTS, thread_name_prefix="llama")
        self._loading = asyncio.Lock()
        self._server: _Server | None = None
        self._closing = threading.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        await asyncio.to_thread(self._release)

    async def load(self) -> None:
        """Read the file, once; raises ConfigError where llama.cpp cannot."""
        async with self._loading:
            if self._server is None:
                loop = asyncio.get_running_loop()
                self._server = await loop.run_in_executor(
                    self._threads, _open_server, self.gguf_path, self.context_tokens
                )

    async def chat(self, request: Mapping[str, object]) -> ChatReply:
        """Return the reply to a request in the form of OpenAI's chat completions.

        Cancelled, it stops generating at the next token.
        Raises BadRequest or another ModelError where llama.cpp refuses.
        """
        await self.load()
        # Streamed, so that there is a place to stop at: every batch of the prompt, every token.
        streamed = {
            **request,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
        }
        cancelled = threading.Event()
        try:
            chunks = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._generate, msgspec.json.encode(streamed), cancelled
            )
        finally:
            cancelled.set()
        return _join(chunks)

    def _generate(self, request: bytes, cancelled: threading.Event) -> list[bytes]:
        chunks: list[bytes] = []

        def take(chunk: bytes) -> bool:
            chunks.append(chunk)
            return cancelled.is_set() or self._closing.is_set()

        if self._server is None or cancelled.is_set() or self._closing.is_set():
            return chunks
        try:
            self._server.handle_chat_completions(request, take)
        except ValueError as error:
            raise BadRequest(f"llama.cpp refuses the request: {error}") from error
        return chunks

    def _release(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._server = None


class _Server(Protocol):
    def handle_chat_completions(self, prompt: bytes, callback: Callable[[bytes], bool]) -> None:
        """Call callback with every piece of the reply, until it returns True."""


def _open_server(gguf_path: Path, context_tokens: int) -> _Server:
    xllamacpp: Any = importlib.import_module(_RUNTIME_PACKAGE)  # it ships no types
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf_path)
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * context_tokens
    params.n_batch = params.n_ubatch  # so that a long prompt can be cancelled between batches
    params.cache_ram_mib = 0  # it would keep up to 8 GiB of old prompts, none of which comes back
    params.verbosity = _ERRORS_ONLY
    # It listens on a loopback port whatever one does: closed to whoever has not this key.
    params.api_keys = [secrets.token_urlsafe(32)]
    params.ui = False
    params.endpoint_slots = False
    try:
        server: _Server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise ConfigError(f"{gguf_path}: llama.cpp cannot load this file: {error}") from error
    return server


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    finish_reason: str | None = None


class _CachedTokens(msgspec.Struct):
    cached_tokens: int = 0


class _TokenCounts(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _CachedTokens = msgspec.field(default_factory=_CachedTokens)


class _Refusal(msgspec.Struct):
    message: str
    code: int = 500


class _Chunk(msgspec.Struct):
    id: str | None = None
    choices: list[_Choice] = msgspec.field(default_factory=list)
    usage: _TokenCounts | None = None
    error: _Refusal | None = None


def _join(raw_chunks: Sequence[bytes]) -> ChatReply:
    chunks = [msgspec.json.decode(raw, type=_Chunk) for raw in raw_chunks]
    if not chunks:
        raise BadReply("llama.cpp gave no reply")
    for raw, chunk in zip(raw_chunks, chunks, strict=True):
        if chunk.error:
            raise error_from_reply("local", chunk.error.code, {}, raw.decode())
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return ChatReply(
        text="".join(choice.delta.content or "" for choice in choices),
        reasoning_text="".join(choice.delta.reasoning_content or "" for choice in choices),
        finish_reason=next((c.finish_reason for c in reversed(choices) if c.finish_reason), None),
        usage=next((_usage(chunk.usage) for chunk in reversed(chunks) if chunk.usage), None),
        request_id=chunks[0].id,
    )


def _usage(counts: _TokenCounts) -> Usage:
    return Usage(
        input_tokens=counts.prompt_tokens,
        output_tokens=counts.completion_tokens,
        cached_tokens=counts.prompt_tokens_details.cached_tokens,
    )
