"""One attempt at one call, made safe: a Completion or a ModelError, before a deadline."""

import asyncio
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

import aiohttp

from config.errors import (
    BadReply,
    ConfigError,
    ConnectionLost,
    ModelError,
    TimedOut,
    Unreachable,
)
from config.model_config import (
    DEFAULT_MAX_TOKENS,
    DEFAULT_MAX_TOKENS_REASONING,
    DEFAULT_TEMPERATURE,
    ModelConfig,
)
from config.rate_signal import RateSignal
from models.wire.client_pool import ClientPool
from models.wire.reply_errors import error_from_reply
from prompts.prompt_template import Prompt

# What local servers take as a key is no secret ("ollama", "EMPTY"), and may stand in an answer.
_SHORTEST_SECRET = 16
_MOST_TOKENS = 10**9
FinishReason = Literal["stop", "length", "refusal", "filtered", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call. cached is part of input, reasoning is part of output."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What one call brought back.

    text: the answer alone, without the model's thinking; "" where there was none.
    parameters: the request's parameters as sent, prompt and credentials apart.
    usage: None where the provider did not say.
    served_model: the model that the reply names, which may differ from the one asked for.
    """

    text: str
    finish_reason: FinishReason = "stop"
    served_model: str | None = None
    request_id: str | None = None
    reasoning_text: str | None = None
    usage: Usage | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    signals: tuple[RateSignal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What the user set for every call; None leaves it to the model's row or the default.

    openai_organization, openai_project: ids that go to OpenAI alone (OPENAI_ORG_ID,
        OPENAI_PROJECT_ID).
    """

    temperature: float | None = None
    max_tokens: int | None = None
    request_timeout_seconds: float = 600.0
    openai_organization: str | None = None
    openai_project: str | None = None


class BaseModel:
    """One model of one provider.

    A subclass overrides one of two methods: generate_completion (text in, text out) or send
    (Prompt in, Completion out). Either may raise what it likes; complete turns it into a
    ModelError. A model is an async context manager: whatever it opens itself, it closes there.

    most_at_once: how many calls in flight are of use, None for no such bound.
    """

    default_base_url: ClassVar[str] = ""
    most_at_once: int | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.send is BaseModel.send and cls.generate_completion is BaseModel.generate_completion:
            raise TypeError(f"{cls.__name__} must override generate_completion or send")

    def __init__(
        self,
        config: ModelConfig,
        *,
        api_key: str = "",
        base_url: str | None = None,
        options: CallOptions | None = None,
        clients: ClientPool | None = None,
    ) -> None:
        options = options or CallOptions()
        params = dict(config.model_params)
        self.config = config
        self.options = options
        self.api_key = api_key
        self.base_url = (base_url or self.home()).rstrip("/")
        self._check_address()
        self.model_name = str(params.pop("model_name", config.name))
        row_max_tokens = params.pop("max_tokens", None)
        row_temperature = params.pop("temperature", None)
        wanted_tokens = int(_first(options.max_tokens, row_max_tokens, _default_budget(config)))
        # More than the model can give is refused with a 400.
        self.max_tokens = min(wanted_tokens, config.max_output_tokens or wanted_tokens)
        self.temperature = float(_first(options.temperature, row_temperature, DEFAULT_TEMPERATURE))
        self.extra_params = params
        self.request_timeout_seconds = options.request_timeout_seconds
        self.clients = clients or ClientPool()
        self._owns_clients = clients is None

    def _check_address(self) -> None:
        """Raise ConfigError for a key or an address with which no request could be made."""
        row = self.config
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ConfigError(f"{row.api_key_env} holds a character that no key has")
        if re.match(r"[^/]*//[^/]*@", self.base_url):
            raise ConfigError(f"{row.base_url_env} names a user: set {row.api_key_env} instead")
        if self.base_url and not re.match(r"https?://[^/]", self.base_url):
            raise ConfigError(f"{row.base_url_env}: {self.base_url} is no http(s) address")

    def home(self) -> str:
        """Return the base URL where the user sets no other."""
        return self.default_base_url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._owns_clients:
            await self.clients.__aexit__(kind, error, traceback)

    async def generate_completion(self, prompt: str) -> str | Completion:
        """Return the reply to one text."""
        return await self.send(Prompt(system="", user=prompt))

    async def send(self, prompt: Prompt) -> Completion:
        """Return the reply to one prompt: one request, no retries."""
        reply = await self.generate_completion(prompt.joined)
        if isinstance(reply, Completion):
            return reply
        if not isinstance(reply, str):  # a reply's null content, handed through by a subclass
            raise BadReply(f"{type(self).__name__} returned {type(reply).__name__}, not text")
        return Completion(text=reply, parameters=self.common_parameters())

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the reply to one attempt.

        Raises a ModelError, and nothing else, when there is none; its text never holds the key.
        """
        try:
            async with asyncio.timeout(self.request_timeout_seconds):
                return self._writable(await self.send(prompt))
        except ModelError as error:
            self._tidy(error)
            raise
        except Exception as error:  # the border where foreign errors become ours
            known = self.read_error(error)
            self._tidy(known)
            if self.api_key and self.api_key in str(error):
                raise known from None
            raise known from error

    def read_error(self, error: Exception) -> ModelError:
        """Return the ModelError that a foreign error stands for; SDK models add their own."""
        if isinstance(error, ModelError):
            return error
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Unreachable(f"no connection: {error}")
        if isinstance(error, aiohttp.ClientConnectorError):
            return Unreachable(f"{type(error).__name__}: {error}")
        if isinstance(error, TimeoutError):
            return TimedOut(f"no whole reply within {self.request_timeout_seconds:g} s")
        if isinstance(error, aiohttp.ClientResponseError):  # includes a wrong content type
            headers = dict(error.headers or {})
            return error_from_reply(self.config.provider, error.status, headers, error.message)
        if isinstance(error, aiohttp.ClientPayloadError):
            return BadReply(f"the reply broke off: {error}")
        if isinstance(error, aiohttp.ClientError | OSError):
            return ConnectionLost(f"{type(error).__name__}: {error}")
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            return BadReply(f"the reply is not JSON: {error}")
        return BadReply(f"the reply has an unexpected shape: {type(error).__name__}: {error}")

    def common_parameters(self) -> dict[str, object]:
        """Return the parameters that every model class is given."""
        return {"max_tokens": self.max_tokens, "temperature": self.temperature, **self.extra_params}

    def _tidy(self, error: ModelError) -> None:
        """Put an error's text on one line, without the key."""
        error.args = (self._recordable(" ".join(str(error).split())),)
        error.request_id = self._recordable(error.request_id)

    def _writable(self, completion: Completion) -> Completion:
        return replace(
            completion,
            text=self._recordable(completion.text) or "",
            reasoning_text=self._recordable(completion.reasoning_text),
            served_model=self._recordable(completion.served_model),
            request_id=self._recordable(completion.request_id),
            usage=_plausible(completion.usage),
        )

    def _recordable(self, text: str | None) -> str | None:
        """Return a text as a file may hold it, without a key that the provider repeats."""
        if text is None:
            return None
        is_secret = len(self.api_key) >= _SHORTEST_SECRET
        return _utf8(text.replace(self.api_key, "[key]") if is_secret else text)


def make_model(
    config: ModelConfig,
    *,
    api_key: str = "",
    base_url: str | None = None,
    options: CallOptions | None = None,
    clients: ClientPool | None = None,
) -> BaseModel:
    """Return the model of a registry row, from the file in models/ that holds its class.

    Raises ConfigError where no file holds the class or where what it imports is not installed.
    """
    model_class = _find_class(config.model_class)
    return model_class(config, api_key=api_key, base_url=base_url, options=options, clients=clients)


def never_connected(error: BaseException | None) -> bool:
    """Tell whether an error, or what it came from, says that there was no connection at all."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return True
    return error is not None and never_connected(error.__cause__)


def _find_class(name: str) -> type[BaseModel]:
    pattern = re.compile(rf"^class {re.escape(name)}\(", re.MULTILINE)
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if pattern.search(file.read_text(encoding="utf-8")):
            found = getattr(_import_model_file(file.stem), name)
            if isinstance(found, type) and issubclass(found, BaseModel):
                return found
            raise ConfigError(f"models/{file.name}: {name} is not a BaseModel")
    raise ConfigError(f"no file in models/ holds `class {name}(`")


def _import_model_file(stem: str) -> Any:
    try:
        return importlib.import_module(f"models.{stem}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"models/{stem}.py needs {error.name}: pip install -r requirements.txt"
        ) from error
    except (ImportError, SyntaxError) as error:
        raise ConfigError(f"models/{stem}.py cannot be loaded: {error}") from error


def _plausible(usage: Usage | None) -> Usage | None:
    """Return None for counts that no call can have: they would spoil prices, rates and sums."""
    if usage is None:
        return None
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)
    return usage if all(0 <= count <= _MOST_TOKENS for count in counts) else None


def _utf8(text: str) -> str:
    """Return a text that a file can hold: half a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _default_budget(config: ModelConfig) -> int:
    return DEFAULT_MAX_TOKENS_REASONING if config.reasons else DEFAULT_MAX_TOKENS


def _first(*choices: Any) -> Any:
    return next(choice for choice in choices if choice is not None)
