"""One attempt at one call, made safe: a Completion or a ModelError, before a deadline."""

import asyncio
import json
import logging
import re
from dataclasses import replace
from types import TracebackType
from typing import Any, ClassVar, Self

import aiohttp
from aiohttp.http import HttpProcessingError

from config.errors import BadReply, ConfigError, ConnectionLost, ModelError, TimedOut, Unreachable
from config.model_config import (
    DEFAULT_MAX_TOKENS,
    DEFAULT_MAX_TOKENS_REASONING,
    DEFAULT_TEMPERATURE,
    ModelConfig,
)
from config.redaction import Redactor
from config.token_usage import Usage
from config.web_address import is_http_address
from models.completion import CallOptions, Completion, FinishReason
from models.model_files import find_class
from models.recordable_text import beginning, message_text, utf8
from models.usage_bounds import further_budget, implausible_usage
from models.wire.bounded_response import bound_every_session
from models.wire.client_pool import ClientPool
from models.wire.flex_capacity import without_room
from models.wire.reply import Reply
from models.wire.reply_errors import error_from_reply
from models.wire.sdk_import import import_sdk
from prompts.prompt_template import Prompt

__all__ = ["BaseModel", "CallOptions", "Completion", "FinishReason", "Usage", "make_model"]

logger = logging.getLogger("collector")

_LONGEST_NAME = 200  # of what a reply calls its model or itself


class BaseModel:
    """One model of one provider.

    A subclass overrides one of two methods: generate_completion (text in, text out) or send
    (Prompt in, Completion out). Either may raise what it likes; complete turns it into a
    ModelError. A model is an async context manager: whatever it opens itself, it closes there.

    most_at_once: how many calls in flight are of use, None for no such bound. knows_flex: it can
    ask for its provider's flex tier. sdk: the package that its calls need, "" for none.
    """

    default_base_url: ClassVar[str] = ""
    sdk: ClassVar[str] = ""
    most_at_once: int | None = None
    knows_flex: ClassVar[bool] = False

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
        self.options = options = options or CallOptions()
        params = dict(config.model_params)
        self.config = config
        self.api_key = api_key
        self.key_variable = options.key_variable or config.api_key_env
        self.redactor = Redactor({api_key, *options.secrets})
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
        self._noted: set[str] = set()
        bound_every_session()

    def _check_address(self) -> None:
        """Raise ConfigError for a key or an address with which no request could be made."""
        row = self.config
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ConfigError(f"{self.key_variable} holds a character that no key has")
        if re.match(r"\A[^/]*//[^/]*@", self.base_url):
            raise ConfigError(f"{row.base_url_env} names a user: set {row.api_key_env} instead")
        if self.base_url and not is_http_address(self.base_url):
            raise ConfigError(f"{row.base_url_env}: {self.base_url} is no http(s) address")

    def home(self) -> str:
        """Return the base URL where the user sets no other."""
        return self.default_base_url

    @property
    def call_url(self) -> str:
        """Where send asks, as far as the class says; "" where it does not."""
        return self.base_url

    def at_each_address(self) -> "list[BaseModel]":
        """Return the same model once for each address that it is served at."""
        return [self]

    @property
    def requested_tier(self) -> str | None:
        """The service tier that calls name, None where they leave it to the provider."""
        if self.knows_flex and self.config.has_flex and self.options.tier == "flex":
            return "flex"
        named = self.extra_params.get("service_tier")  # in the row itself
        return named if isinstance(named, str) else None

    def at_default_tier(self) -> "BaseModel":
        """Return the same model, with the same clients, whose calls are not to go at flex."""
        if self.options.tier == "default":
            return self
        return type(self)(
            self.config,
            api_key=self.api_key,
            base_url=self.base_url,
            options=replace(self.options, tier="default"),
            clients=self.clients,
        )

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

        Raises a ModelError, and nothing else, when there is none; its text is short, and holds no
        key of the run.
        """
        try:
            await import_sdk(self.sdk)  # outside the time that the request has
            async with asyncio.timeout(self.request_timeout_seconds):
                return self.kept(await self.send(prompt), prompt)
        except Exception as error:  # noqa: BLE001 - the border where foreign errors become ours
            known = self.kept_error(error, prompt)
        known.__context__ = None
        raise known

    def kept(self, completion: Completion, prompt: Prompt) -> Completion:
        """Return a prompt's completion as files may hold it: no key, no counts that cannot be."""
        usage, usage_note = self._believed(completion.usage, prompt)
        return replace(
            completion,
            text=self._recordable(completion.text) or "",
            reasoning_text=self._recordable(completion.reasoning_text),
            served_model=self._name(completion.served_model),
            served_tier=self._name(completion.served_tier),
            request_id=self._name(completion.request_id),
            usage=usage,
            usage_note=usage_note,
        )

    def kept_error(self, error: Exception, prompt: Prompt) -> ModelError:
        """Return what went wrong with a prompt, as files may hold it."""
        known = self.as_model_error(error)
        known.usage, known.usage_note = self._believed(known.usage, prompt)
        # An error lives longer than its reply, which may be large: it must not hold on to it.
        known.__traceback__ = known.__context__ = known.__cause__ = None
        return known

    def as_model_error(self, error: Exception) -> ModelError:
        """Return the ModelError that any error stands for, fit for files and eyes."""
        try:
            known = self.read_error(error)
        except Exception as another:  # noqa: BLE001 - an error that cannot even be read
            known = BadReply(f"the reply cannot be read: {type(another).__name__}")
        known.args = (message_text(self.redactor.redact(beginning(known))),)
        known.request_id = self._name(known.request_id)
        return known

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
            if isinstance(error.__cause__, HttpProcessingError):  # aiohttp gives it a status of 400
                return BadReply(f"the reply cannot be read as HTTP: {error.message}")
            headers = dict(error.headers or {})
            return self.reply_error(
                Reply(error.status, headers, error.message.encode("utf-8", "replace"))
            )
        if isinstance(error, aiohttp.ClientPayloadError):
            return BadReply(f"the reply broke off: {error}")
        if isinstance(error, aiohttp.ClientError | OSError):
            return ConnectionLost(f"{type(error).__name__}: {error}")
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            return BadReply(f"the reply is not JSON: {error}")
        return BadReply(f"the reply has an unexpected shape: {type(error).__name__}: {error}")

    def reply_error(self, reply: Reply) -> ModelError:
        """Return the error that a reply stands for."""
        # Keys go before anything is cut out of the text, which could halve one.
        text = self.redactor.redact(reply.beginning)
        provider = self.config.provider
        error = error_from_reply(provider, reply.status, reply.headers, text, self.ignore_limit)
        return without_room(error, text) if self.requested_tier == "flex" else error

    def ignore_limit(self, what: str) -> None:
        """Note, once, that a reply announces a limit that cannot be meant."""
        self._note_once("limits", f"ignoring limits that cannot be right, such as {what}")

    @property
    def most_output_tokens(self) -> int:
        """How many tokens of output one call may come to, thinking included."""
        return self.max_tokens + further_budget(self.extra_params)

    def common_parameters(self) -> dict[str, object]:
        """Return the parameters that every model class is given."""
        return {"max_tokens": self.max_tokens, "temperature": self.temperature, **self.extra_params}

    def _believed(self, usage: Usage | None, prompt: Prompt) -> tuple[Usage | None, str | None]:
        """Return counts that a call can have, or what is wrong with them: they would spoil sums."""
        wrong = implausible_usage(usage, prompt, self.most_output_tokens) if usage else None
        if wrong is None:
            return usage, None
        self._note_once("usage", f"ignoring token counts that cannot be right, such as {wrong}")
        return None, f"implausible: {wrong}"

    def _name(self, text: str | None) -> str | None:
        return None if text is None else self._recordable(text[: 2 * _LONGEST_NAME], _LONGEST_NAME)

    def _recordable(self, text: str | None, longest: int | None = None) -> str | None:
        """Return a text as a file may hold it, without a key that the provider repeats."""
        return None if text is None else utf8(self.redactor.redact(text)[:longest])

    def _note_once(self, subject: str, text: str) -> None:
        if subject not in self._noted:
            self._noted.add(subject)
            logger.warning("%s: %s", self.config.label, self.redactor.redact(text))


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
    model_class = find_class(config.model_class)
    if not (isinstance(model_class, type) and issubclass(model_class, BaseModel)):
        raise ConfigError(f"models/: {config.model_class} is not a BaseModel")
    return model_class(config, api_key=api_key, base_url=base_url, options=options, clients=clients)


def _default_budget(config: ModelConfig) -> int:
    return DEFAULT_MAX_TOKENS_REASONING if config.reasons else DEFAULT_MAX_TOKENS


def _first(*choices: Any) -> Any:
    return next(choice for choice in choices if choice is not None)
