"""The wire format that most providers share, over one aiohttp session per address and key."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar

import aiohttp
import msgspec

from config.clock import SystemClock
from config.errors import BadReply, ModelError, Overloaded
from config.rate_signal import RateSignal
from models.base_model import BaseModel, Completion, FinishReason, Usage
from models.wire.http_session import open_session
from models.wire.json_border import decode_json, field_of, read_json
from models.wire.rate_headers import read_rate_signals
from models.wire.reply import Reply
from models.wire.reply_errors import read_request_id
from prompts.prompt_template import Prompt

# At the end of a line; inside a code block it counts only on a line of its own.
_END_OF_THINKING = re.compile(r"(?P<alone>^)?</think>[ \t\r]*$", re.MULTILINE)
_PROMPT_FIELDS = frozenset({"messages", "input", "instructions"})
_FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "length": "length",
    "content_filter": "filtered",
}
# The server gave up in the middle: DeepSeek (api-docs.deepseek.com, create-chat-completion), and
# gateways that pass an error of theirs on so.
_INTERRUPTED = ("insufficient_system_resource", "error")


class TokenDetails(msgspec.Struct):
    """The parts of a count."""

    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class ChatUsage(msgspec.Struct):
    """A reply's `usage` as it came."""

    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    cost_in_usd_ticks: float | None = None  # xAI

    @property
    def reasoning_tokens(self) -> int:
        """What the reply counts as reasoning, 0 where it does not say."""
        details = self.completion_tokens_details
        return (details.reasoning_tokens if details else None) or 0


class _Message(msgspec.Struct):
    content: str | list[object] | None = None
    refusal: str | None = None
    reasoning: object = None  # Together, Ollama, vLLM
    reasoning_content: object = None  # DeepSeek, llama.cpp, xAI


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: object = None


class _ChatReply(msgspec.Struct):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    id: object = None
    model: object = None
    service_tier: object = None
    usage: object = None
    error: object = None


_CHAT_DECODER = msgspec.json.Decoder(_ChatReply)


class ChatCompletionsModel(BaseModel):
    """A model behind POST {base_url}/chat/completions.

    A subclass sets default_base_url and overrides what differs: request_body, headers, read_usage,
    or exchange (another way to send). Whatever a row's model_params hold beside model_name,
    max_tokens and temperature goes into the request's body as it stands.
    """

    max_tokens_field: ClassVar[str] = "max_tokens"

    @property
    def call_url(self) -> str:
        return f"{self.base_url}/chat/completions"

    @property
    def sends_temperature(self) -> bool:
        """Whether a temperature goes out."""
        return self.config.accepts_temperature

    async def send(self, prompt: Prompt) -> Completion:
        """Return the reply to one prompt: one request, no retries."""
        body = self.request_body(prompt)
        return self.completion_of(await self.exchange(body), body)

    def completion_of(self, reply: Reply, body: Mapping[str, object]) -> Completion:
        """Return what the reply to a body says; raises a ModelError where it is no answer.

        Only the parameters are taken from the body, which are the same in every call.
        """
        if not 200 <= reply.status < 300:
            raise self.reply_error(reply)
        try:
            completion = self._read(reply)
        except ModelError as error:  # what it counted is billed all the same
            error.usage = error.usage or self.usage_of(field_of(reply.body, "usage"))
            raise
        return replace(
            completion,
            parameters={name: value for name, value in body.items() if name not in _PROMPT_FIELDS},
            request_id=read_request_id(reply.headers) or completion.request_id,
            signals=self._signals(reply),
        )

    def request_body(self, prompt: Prompt) -> dict[str, object]:
        """Return the request's body."""
        messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
        messages.append({"role": "user", "content": prompt.user})
        body: dict[str, object] = {
            "model": self.model_name,
            "messages": messages,
            self.max_tokens_field: self.max_tokens,
        }
        if self.sends_temperature:
            body["temperature"] = self.temperature
        return {**body, **self.extra_params}

    def headers(self) -> dict[str, str]:
        """Return the request's own headers."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    async def exchange(self, body: Mapping[str, object]) -> Reply:
        """Return the reply to one body, whatever its status."""
        return await self.exchange_at(self.base_url, self.call_url, body)

    async def exchange_at(self, base_url: str, url: str, body: Mapping[str, object]) -> Reply:
        """Return the reply of one address, and a URL at it, to one body."""
        identity = (aiohttp.ClientSession, base_url, self.api_key)
        session = await self.clients.get(identity, partial(open_session, base_url))
        # A redirect would take the key to another host, or turn the POST into a GET.
        request = session.post(url, json=body, headers=self.headers(), allow_redirects=False)
        async with request as response:
            # Blank lines before the JSON are DeepSeek's way to say "still queued".
            return Reply(response.status, response.headers, await response.read())

    def read_completion(self, reply: Reply) -> Completion:
        """Return what a 2xx body says; raise a ModelError or ValueError where it cannot be read."""
        chat = _read_chat(reply)
        if chat is None or chat.error:
            raise self.reply_error(reply)
        choice = chat.choices[0]
        message = choice.message
        finish_reason = _text(choice.finish_reason)
        if finish_reason in _INTERRUPTED:
            raise self._interrupted(reply, finish_reason, self.usage_of(chat.usage))
        inline, text = split_thinking(_joined(message.content))
        beside = _text(message.reasoning_content) or _text(message.reasoning)
        return Completion(
            text=text or message.refusal or "",
            finish_reason=_read_finish(finish_reason, message.refusal),
            served_model=_text(chat.model) or None,
            served_tier=_text(chat.service_tier) or None,
            request_id=_text(chat.id) or None,
            reasoning_text="\n\n".join(part for part in (beside, inline) if part) or None,
            usage=self.usage_of(chat.usage),
        )

    def usage_of(self, counts: object) -> Usage | None:
        """Return a reply's counts, None where they are none: an answer stands without them."""
        try:
            return self.read_usage(msgspec.convert(counts, ChatUsage, strict=False))
        except ValueError:  # null at Together
            return None

    def read_usage(self, usage: ChatUsage) -> Usage:
        """Return a reply's counts with cached as a part of input and reasoning of output."""
        details = usage.prompt_tokens_details
        cached = (details.cached_tokens if details else None) or usage.prompt_cache_hit_tokens or 0
        return Usage(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cached_tokens=min(cached, usage.prompt_tokens),
            reasoning_tokens=min(usage.reasoning_tokens, usage.completion_tokens),
        )

    def _read(self, reply: Reply) -> Completion:
        try:
            return self.read_completion(reply)
        except msgspec.ValidationError as error:
            raise self._bad_reply(reply, f"of an unexpected shape: {error}") from error
        except ValueError as error:
            raise self._bad_reply(reply, f"not JSON: {error}") from error

    def _interrupted(self, reply: Reply, reason: str, usage: Usage | None) -> Overloaded:
        return Overloaded(
            f"{self.config.provider} broke the answer off: {reason}",
            status=reply.status,
            signals=self._signals(reply),
            request_id=read_request_id(reply.headers),
            usage=usage,
        )

    def _bad_reply(self, reply: Reply, reason: str) -> BadReply:
        return BadReply(
            f"{self.config.provider} answered {reply.status} with a body that is {reason}",
            status=reply.status,
            signals=self._signals(reply),
            request_id=read_request_id(reply.headers),
        )

    def _signals(self, reply: Reply) -> tuple[RateSignal, ...]:
        now = SystemClock().time()
        return read_rate_signals(self.config.provider, reply.headers, None, now, self.ignore_limit)


def _read_chat(reply: Reply) -> _ChatReply | None:
    """Return the reply as it came, None for an error without a choice in it."""
    try:
        return decode_json(reply.body, _CHAT_DECODER)
    except ValueError:  # not the usual: bytes that are no UTF-8, another shape, no JSON at all
        content = read_json(reply.text)
        if isinstance(content, dict) and content.get("error"):
            return None
        return msgspec.convert(content, _ChatReply)


def split_thinking(content: str) -> tuple[str, str]:
    """Return the thinking that stands inline at a content's start, and the answer after it.

    A block that is never closed is all thinking: the budget ended before the answer.
    """
    if content.lstrip().startswith("<think>"):
        thinking, _, answer = content.lstrip().removeprefix("<think>").partition("</think>")
        return thinking.strip(), answer.lstrip("\r\n")
    # A chat template may open the block in the prompt itself.
    if "</think>" in content and "<think>" not in content:
        end = _END_OF_THINKING.search(content)
        if end and (end["alone"] or content.count("```", 0, end.start()) % 2 == 0):
            return content[: end.start()].strip(), content[end.end() :].strip("\r\n")
    return "", content


def _read_finish(reason: str, refusal: str | None) -> FinishReason:
    return "refusal" if refusal else _FINISH_REASONS.get(reason, "other")


def _joined(content: str | list[object] | None) -> str:
    """Return a message's text, be it null, a text or a list of parts."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(_text(part.get("text")) for part in parts)
    return _text(content)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
