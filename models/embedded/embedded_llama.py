"""A chat request in, llama.cpp's reply out: a GGUF file inside this process, on worker threads."""

import asyncio
import importlib
import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from config.errors import BadRequest, ConfigError
from models.embedded.local_catalog import RUNTIME_PACKAGE
from models.wire.reply import Reply

SLOTS = 4  # on two cores four answers at once come twice as fast as one after the other
_ERRORS_ONLY = 1  # llama.cpp's verbosity: 0 nothing, 1 errors, 2 warnings, 3 information


class EmbeddedLlama:
    """One GGUF file, answering up to SLOTS chats at once.

    Loaded by load() or the first chat; an async context manager that frees it at the end.
    context_tokens: the room that one chat's prompt and answer share, less where the file says so.
    """

    def __init__(self, gguf_path: Path, context_tokens: int) -> None:
        self._gguf_path = gguf_path
        self._context_tokens = context_tokens
        self._threads = ThreadPoolExecutor(max_workers=SLOTS, thread_name_prefix="llama")
        self._loading = asyncio.Lock()
        self._closing = threading.Event()
        self._server: _Server | None = None

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

    async def load(self) -> "_Server":
        """Return the loaded runtime; raise ConfigError where llama.cpp cannot read the file."""
        async with self._loading:
            if self._server is None:
                loop = asyncio.get_running_loop()
                self._server = await loop.run_in_executor(
                    self._threads, _open_server, self._gguf_path, self._context_tokens
                )
            return self._server

    async def chat(self, request: Mapping[str, object]) -> Reply:
        """Return the reply to a request, both in the form of OpenAI's chat completions.

        Cancelled, it stops generating at the next token.
        """
        server = await self.load()
        # Streamed, so that there are places to stop at: every batch of the prompt, every token.
        streamed = {
            **request,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
        }
        encoded = msgspec.json.encode(streamed)
        stopped = threading.Event()
        try:
            pieces = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._generate, server, encoded, stopped
            )
        finally:
            stopped.set()
        return _join(pieces)

    @property
    def address(self) -> str:
        """The loopback address that llama.cpp opens, closed to all who have not its key."""
        return self._server.listening_address if self._server else ""

    def _generate(self, server: "_Server", request: bytes, stopped: threading.Event) -> list[bytes]:
        pieces: list[bytes] = []

        def take(piece: bytes) -> bool:
            pieces.append(piece)
            return stopped.is_set() or self._closing.is_set()

        if stopped.is_set() or self._closing.is_set():
            return pieces
        try:
            server.handle_chat_completions(request, take)
        except ValueError as error:
            raise BadRequest(f"llama.cpp refuses the request: {error}") from error
        return pieces

    def _release(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._server = None  # frees the weights


class _Server(Protocol):
    listening_address: str

    def handle_chat_completions(self, prompt: bytes, callback: Callable[[bytes], bool]) -> None:
        """Call callback with every piece of the reply, until it returns True."""


def _thread_count() -> int:
    """Return how many threads compute: half of the cores.

    They spin while they wait for each other, so one that has no core of its own stops them all:
    on two cores that others keep busy, one thread gave 41 tokens/s, two gave 8.
    """
    return max(1, (os.cpu_count() or 1) // 2)


def _open_server(gguf_path: Path, context_tokens: int) -> _Server:
    xllamacpp: Any = importlib.import_module(RUNTIME_PACKAGE)  # it ships no types
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf_path)
    params.model_alias = {gguf_path.name}  # what replies name, in place of the whole path
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _thread_count()
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * context_tokens
    params.n_batch = params.n_ubatch  # so that a long prompt can be cancelled on its way
    params.cache_ram_mib = 0  # it would keep up to 8 GiB of old prompts, none of which comes back
    params.verbosity = _ERRORS_ONLY
    # It listens on a loopback port whatever one does: closed to whoever has not this key.
    params.api_keys = [secrets.token_urlsafe(32)]
    params.ui = False
    params.endpoint_slots = False
    try:
        server: _Server = xllamacpp.Server(params)
    except RuntimeError as error:  # the reason stands on stderr, in llama.cpp's own words
        raise ConfigError(f"{gguf_path}: llama.cpp cannot load this file") from error
    return server


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    finish_reason: str | None = None


class _Error(msgspec.Struct):
    code: int = 500


class _Piece(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] = msgspec.field(default_factory=list)
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


def _join(raw_pieces: Sequence[bytes]) -> Reply:
    """Return the reply as it would have come unstreamed."""
    pieces = [msgspec.json.decode(raw, type=_Piece) for raw in raw_pieces]
    for raw, piece in zip(raw_pieces, pieces, strict=True):
        if piece.error:
            return Reply(piece.error.code, {}, raw)
    choices = [choice for piece in pieces for choice in piece.choices]
    message = {
        "content": "".join(choice.delta.content or "" for choice in choices),
        "reasoning_content": "".join(choice.delta.reasoning_content or "" for choice in choices),
    }
    reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
    whole = {
        "id": next((piece.id for piece in pieces if piece.id), None),
        "model": next((piece.model for piece in pieces if piece.model), None),
        "choices": [{"message": message, "finish_reason": reasons[-1] if reasons else None}],
        "usage": pieces[-1].usage if pieces else None,
    }
    return Reply(200, {}, msgspec.json.encode(whole))
