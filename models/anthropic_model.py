"""Claude, through Anthropic's SDK over aiohttp."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import httpx2
import msgspec

from config.clock import SystemClock
from config.errors import ModelError
from models.base_model import BaseModel, Completion, FinishReason, Usage
from models.wire.json_border import field_of, read_json
from models.wire.rate_headers import read_rate_signals
from models.wire.reply import Reply
from models.wire.reply_errors import read_request_id
from models.wire.sdk_import import is_imported
from models.wire.sdk_transport import open_sdk_client
from prompts.prompt_template import Prompt

if TYPE_CHECKING:
    import anthropic

# In version 2026-10-21, which the SDK asks for, the API refuses every temperature, its own
# default included (developersdigest.tech, 2026-10-21).
VERSION_WITH_TEMPERATURE = "2023-06-01"
_PROMPT_FIELDS = frozenset({"system", "messages"})
_FINISH_REASONS: Mapping[str | None, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


class _Block(msgspec.Struct):
    type: str
    text: str | None = None
    thinking: str | None = None


class _Message(msgspec.Struct):
    content: list[_Block]
    model: str | None = None
    stop_reason: str | None = None
    usage: object = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class AnthropicModel(BaseModel):
    """A Claude model.

    A row's further parameters (thinking, output_config and the like) go into the request's body
    as they stand; without them the model thinks as the provider ships it.
    """

    default_base_url = "https://api.anthropic.com"
    sdk = "anthropic"

    @property
    def call_url(self) -> str:
        return f"{self.base_url}/v1/messages"

    async def send(self, prompt: Prompt) -> Completion:
        """Return the reply to one prompt: one request, no retries."""
        identity = ("anthropic", self.base_url, self.api_key)
        client = await self.clients.get(identity, self._open_client)
        body = self.request_body(prompt)
        # The SDK's own way to any path. Its messages.create refuses a temperature and a long
        # reply before it asks, and warns about models that it takes for retired.
        response = await client.post(
            "/v1/messages",
            cast_to=httpx2.Response,
            body=body,
            options={"headers": version_header(body)},
        )
        # Its headers decode each name at each look: once is enough.
        headers = dict(response.headers.items())
        return self.completion_of(Reply(response.status_code, headers, response.content), body)

    def request_body(self, prompt: Prompt) -> dict[str, object]:
        """Return the request's body."""
        system = {"system": prompt.system} if prompt.system else {}
        messages = [{"role": "user", "content": prompt.user}]
        return {**self._parameters(), **system, "messages": messages}

    def read_error(self, error: Exception) -> ModelError:
        """Return the ModelError that an error of the SDK, or of what is below it, stands for."""
        if not is_imported("anthropic"):
            return super().read_error(error)
        import anthropic

        if isinstance(error, anthropic.APIStatusError):
            response = error.response
            return self.reply_error(Reply(response.status_code, response.headers, response.content))
        if isinstance(error, anthropic.APIConnectionError) and isinstance(
            error.__cause__, Exception
        ):
            return super().read_error(error.__cause__)
        return super().read_error(error)

    def _open_client(self) -> "anthropic.AsyncAnthropic":
        import anthropic

        # With ANTHROPIC_LOG=debug it shows replies' headers, which may repeat the key.
        logging.getLogger("anthropic").setLevel(logging.WARNING)
        client = anthropic.AsyncAnthropic(
            api_key=self.api_key,
            base_url=self.base_url,
            max_retries=0,
            timeout=None,
            http_client=open_sdk_client(self.base_url),
            open_telemetry=False,  # whatever the environment says
        )
        # ANTHROPIC_CUSTOM_HEADERS often holds another gateway's credentials: not for this host.
        client._custom_headers = {}
        return client

    def _parameters(self) -> dict[str, object]:
        parameters: dict[str, object] = {"model": self.model_name, "max_tokens": self.max_tokens}
        if self.config.accepts_temperature and not _thinks(self.extra_params):
            parameters["temperature"] = self.temperature
        return {**parameters, **self.extra_params}

    def completion_of(self, reply: Reply, body: Mapping[str, object]) -> Completion:
        """Return what the reply to a body says; raises a ModelError where it is no answer.

        Only the parameters are taken from the body, which are the same in every call.
        """
        if not 200 <= reply.status < 300:
            raise self.reply_error(reply)
        try:
            message = msgspec.convert(read_json(reply.text), _Message)
        except ValueError as error:  # not JSON, or not a message
            known = self.reply_error(reply)
            known.usage = _usage(field_of(reply.body, "usage"))
            raise known from error
        text = "".join(block.text or "" for block in message.content if block.type == "text")
        thinking = "".join(block.thinking or "" for block in message.content)
        provider, now = self.config.provider, SystemClock().time()
        return Completion(
            text=text,
            finish_reason=_FINISH_REASONS.get(message.stop_reason, "other"),
            served_model=message.model,
            request_id=read_request_id(reply.headers),
            reasoning_text=thinking or None,
            usage=_usage(message.usage),
            parameters={name: value for name, value in body.items() if name not in _PROMPT_FIELDS},
            signals=read_rate_signals(provider, reply.headers, None, now, self.ignore_limit),
        )


def _thinks(params: Mapping[str, object]) -> bool:
    """Return whether a row turns thinking on, which no temperature goes with."""
    thinking = params.get("thinking")
    return isinstance(thinking, Mapping) and thinking.get("type") != "disabled"


def version_header(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the header that lets a temperature pass, where there is one."""
    with_temperature = "temperature" in parameters
    return {"anthropic-version": VERSION_WITH_TEMPERATURE} if with_temperature else {}


def _usage(counts: object) -> Usage | None:
    """Return a reply's counts; its input_tokens leave out what the cache took and gave."""
    try:
        usage = msgspec.convert(counts, _Usage, strict=False)
    except ValueError:  # an answer stands without its counts
        return None
    cached = usage.cache_read_input_tokens or 0
    details = usage.output_tokens_details
    return Usage(
        input_tokens=usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
        output_tokens=usage.output_tokens,
        cached_tokens=cached,
        reasoning_tokens=(details.thinking_tokens if details else None) or 0,
    )
