"""Gemini, through Google's SDK over aiohttp."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import msgspec
from google import genai
from google.genai import types

from config.clock import SystemClock
from config.errors import AuthFailed, ModelError
from models.base_model import BaseModel, Completion, FinishReason, Usage
from models.google_body import wire_body
from models.wire.http_session import open_session
from models.wire.json_border import field_of, read_json
from models.wire.rate_headers import read_rate_signals
from models.wire.reply import Reply
from prompts.prompt_template import Prompt

# The reasons that are not here (LANGUAGE, OTHER, MALFORMED_RESPONSE, tool calls) are "other".
_FINISH_REASONS: Mapping[str | None, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",  # cut at the API's own limit a request
    "SAFETY": "filtered",
    "RECITATION": "filtered",
    "BLOCKLIST": "filtered",
    "PROHIBITED_CONTENT": "filtered",
    "SPII": "filtered",
    "ESCALATION": "filtered",
    "PUP_LIMITED_DISABLED": "filtered",
    "MODEL_ARMOR": "filtered",
    "IMAGE_SAFETY": "filtered",
    "IMAGE_PROHIBITED_CONTENT": "filtered",
    "IMAGE_RECITATION": "filtered",
}
_TIER_HEADER = "x-gemini-service-tier"
_THINKING_FIELDS = ("thinking_level", "thinking_budget", "include_thoughts")


class _Part(msgspec.Struct):
    text: str | None = None
    thought: bool | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None


class _PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None


class _Reply(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: object = None
    model_version: str | None = None
    response_id: str | None = None

    @property
    def is_blocked(self) -> bool:
        """Whether the prompt was refused before a model saw it."""
        return bool(self.prompt_feedback and self.prompt_feedback.block_reason)


class GoogleModel(BaseModel):
    """A Gemini or Gemma model.

    A row's further parameters are fields of the SDK's GenerateContentConfig, or thinking_level,
    thinking_budget and include_thoughts, which are fields of its thinking_config.
    """

    default_base_url = "https://generativelanguage.googleapis.com"
    knows_flex = True

    @property
    def call_url(self) -> str:
        return f"{self.base_url}/{self._version}/models/{self.model_name}:generateContent"

    async def send(self, prompt: Prompt) -> Completion:
        """Return the reply to one prompt: one request, no retries."""
        if not self.api_key:  # the SDK would take one from the environment
            raise AuthFailed(f"{self.config.api_key_env} is not set")
        identity = (genai.Client, self.base_url, self.api_key)
        client = await self.clients.get(
            identity, partial(_open_client, self.base_url, self.api_key)
        )
        generation = self._generation_config()
        response = await client.models.generate_content(
            model=self.model_name,
            contents=prompt.user,
            config=_one_request(generation, prompt, self._version),
        )
        came = response.sdk_http_response or types.HttpResponse()
        body = (came.body or "").encode("utf-8", "replace")
        return self.completion_of(Reply(200, came.headers or {}, body), self.parameters())

    def request_body(self, prompt: Prompt) -> dict[str, object]:
        """Return the body that the SDK sends for a prompt, as its own converter makes it."""
        config = _one_request(self._generation_config(), prompt, self._version)
        return wire_body(self.model_name, prompt.user, config)

    def parameters(self) -> dict[str, object]:
        """Return what is sent beside the prompt, the same in every call."""
        sent = self._generation_config().model_dump(by_alias=True, exclude_none=True, mode="json")
        tier = sent.pop("serviceTier", None)
        beside = {"serviceTier": tier} if tier else {}
        return {"model": self.model_name, "generationConfig": sent, **beside}

    def read_error(self, error: Exception) -> ModelError:
        """Return the ModelError that a refusal, or an error of what is below, stands for."""
        if isinstance(error, _RefusedReply):
            return self.reply_error(error.reply)
        return super().read_error(error)

    @property
    def _version(self) -> str:
        # Flex is a preview: all that is written about it asks v1beta.
        return "v1beta" if self.requested_tier else "v1"

    def _generation_config(self) -> types.GenerateContentConfig:
        return types.GenerateContentConfig.model_validate(self._generation())

    def _generation(self) -> dict[str, object]:
        params = dict(self.extra_params)
        thinking = {name: params.pop(name) for name in _THINKING_FIELDS if name in params}
        generation: dict[str, object] = {"max_output_tokens": self.max_tokens}
        if self.config.accepts_temperature:
            generation["temperature"] = self.temperature
        if thinking:
            generation["thinking_config"] = thinking
        if self.requested_tier:
            params["service_tier"] = self.requested_tier
        return {**generation, **params}

    def completion_of(self, came: Reply, parameters: Mapping[str, object]) -> Completion:
        """Return what a reply says; raises a ModelError where it is no answer."""
        if not 200 <= came.status < 300:
            raise self.reply_error(came)
        try:
            reply = msgspec.convert(read_json(came.text), _Reply)
        except ValueError as error:  # not JSON, or of another shape
            raise self._error_with_usage(came) from error
        if not reply.candidates and not reply.is_blocked:
            raise self._error_with_usage(came)
        candidate = reply.candidates[0] if reply.candidates else _Candidate(finish_reason="SAFETY")
        parts = (candidate.content.parts if candidate.content else None) or []
        provider, now = self.config.provider, SystemClock().time()
        return Completion(
            text=_joined(part.text for part in parts if not part.thought),
            finish_reason=_FINISH_REASONS.get(candidate.finish_reason, "other"),
            served_model=reply.model_version,
            served_tier=_served_tier(came.headers, reply.usage_metadata),
            request_id=reply.response_id,
            reasoning_text=_joined(part.text for part in parts if part.thought) or None,
            usage=_usage(reply.usage_metadata),
            parameters=parameters,
            signals=read_rate_signals(provider, came.headers, None, now, self.ignore_limit),
        )

    def _error_with_usage(self, reply: Reply) -> ModelError:
        error = self.reply_error(reply)
        error.usage = _usage(field_of(reply.body, "usageMetadata"))
        return error


class _RefusedReply(Exception):
    """A reply whose status is not 200."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"status {reply.status}")
        self.reply = reply


async def _stop_refusals(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Return the reply, unless it is a refusal: the SDK loses its status if it is not JSON."""
    response = await handler(request)
    if response.status == 200:
        return response
    async with response:
        raise _RefusedReply(Reply(response.status, response.headers, await response.read()))


def _one_request(
    generation: types.GenerateContentConfig, prompt: Prompt, version: str
) -> types.GenerateContentConfig:
    """Return the call's whole configuration, without what makes the SDK send more than one."""
    extra = {
        "system_instruction": prompt.system or None,
        "automatic_continuation": False,
        "automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True),
        "should_return_http_response": True,
        "http_options": types.HttpOptions(api_version=version),
    }
    return generation.model_copy(update=extra)


@asynccontextmanager
async def _open_client(base_url: str, api_key: str) -> AsyncIterator[genai.client.AsyncClient]:
    """Yield a client that reads nothing from the environment but the proxies."""
    # It warns where GEMINI_API_KEY is set too, though it is to read neither.
    logging.getLogger("google_genai").setLevel(logging.ERROR)
    async with open_session(base_url, (_stop_refusals,)) as session:
        options = types.HttpOptions(
            base_url=base_url,
            api_version="v1",
            aiohttp_client=session,
            # One attempt; without this the SDK repeats a call whose connection broke.
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        client = genai.Client(vertexai=False, api_key=api_key, http_options=options)
        try:
            yield client.aio
        finally:
            await client.aio.aclose()
            client.close()


def _served_tier(headers: Mapping[str, str], counts: object) -> str | None:
    """Return the tier that served a call; the counts say "standard" of batches, so may err."""
    named = next((value for name, value in headers.items() if name.lower() == _TIER_HEADER), None)
    if named is None and isinstance(counts, dict):
        named = counts.get("serviceTier")
    return named.lower() if isinstance(named, str) and named else None


def _joined(texts: Iterable[str | None]) -> str:
    return "".join(text or "" for text in texts)


def _usage(counts: object) -> Usage | None:
    """Return a reply's counts; the API tells thoughts beside the output, and bills both."""
    try:
        usage = msgspec.convert(counts, _Usage, strict=False)
    except ValueError:  # an answer stands without its counts
        return None
    thoughts = usage.thoughts_token_count or 0
    return Usage(
        input_tokens=usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0),
        output_tokens=(usage.candidates_token_count or 0) + thoughts,
        cached_tokens=usage.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
    )
