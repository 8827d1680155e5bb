"""OpenAI's models, through its own SDK: chat completions, or Responses for those that need it."""

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Literal, cast

import httpx2
import msgspec

from config.errors import ConfigError, ModelError
from config.model_config import ModelConfig
from models.base_model import CallOptions, Completion, FinishReason, Usage
from models.chat_completions import ChatCompletionsModel, TokenDetails
from models.wire.client_pool import ClientPool
from models.wire.json_border import read_json
from models.wire.reply import Reply
from models.wire.sdk_import import is_imported
from models.wire.sdk_transport import open_sdk_client
from prompts.prompt_template import Prompt

if TYPE_CHECKING:
    import openai

_ENDPOINTS = {"chat": "/chat/completions", "responses": "/responses"}
_INCOMPLETE: Mapping[str, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "filtered",
}


class _ResponsesUsage(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    input_tokens_details: TokenDetails | None = None
    output_tokens_details: TokenDetails | None = None


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    refusal: str = ""


class _Item(msgspec.Struct):
    type: str
    content: list[_Part] | None = None
    summary: list[_Part] | None = None


class _IncompleteDetails(msgspec.Struct):
    reason: str | None = None


class _ResponsesReply(msgspec.Struct):
    status: Literal["completed", "incomplete"]
    output: list[_Item]
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: object = None
    incomplete_details: _IncompleteDetails | None = None


class OpenAIModel(ChatCompletionsModel):
    """A model of OpenAI's.

    A row for a model that has no chat completions says model_params={"endpoint": "responses"}.
    A row says with reasons and accepts_temperature whether the model takes a temperature, and with
    model_params={"reasoning_effort": ...} how much it is to think; Responses gets it as
    {"reasoning": {"effort": ...}}.
    """

    default_base_url = "https://api.openai.com/v1"
    sdk = "openai"
    knows_flex = True
    max_tokens_field = "max_completion_tokens"  # max_tokens is refused from the o-series on

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
        self.endpoint = str(self.extra_params.pop("endpoint", "chat"))
        if self.endpoint not in _ENDPOINTS:
            raise ConfigError(f"{config.name}: endpoint is chat or responses, not {self.endpoint}")

    @property
    def call_url(self) -> str:
        return f"{self.base_url}{_ENDPOINTS[self.endpoint]}"

    @property
    def sends_temperature(self) -> bool:
        # It is refused while the model reasons: "Only the default (1) value is supported."
        effort = self.extra_params.get("reasoning_effort") or "none"
        return super().sends_temperature and effort == "none"

    def request_body(self, prompt: Prompt) -> dict[str, object]:
        body = (
            super().request_body(prompt)
            if self.endpoint == "chat"
            else self._responses_body(prompt)
        )
        tier = self.requested_tier
        return {**body, "service_tier": tier} if tier else body

    def _responses_body(self, prompt: Prompt) -> dict[str, object]:
        body: dict[str, object] = {
            "model": self.model_name,
            "input": prompt.user,
            "max_output_tokens": self.max_tokens,
            "store": False,  # Responses keeps every call for 30 days unless told not to
        }
        if prompt.system:
            body["instructions"] = prompt.system
        if self.sends_temperature:
            body["temperature"] = self.temperature
        extra = dict(self.extra_params)
        if "reasoning_effort" in extra:
            body["reasoning"] = {"effort": extra.pop("reasoning_effort")}
        return {**body, **extra}

    async def exchange(self, body: Mapping[str, object]) -> Reply:
        options = self.options
        identity = (
            "openai",
            self.base_url,
            self.api_key,
            options.openai_organization,
            options.openai_project,
        )
        client = await self.clients.get(identity, self._open_client)
        # The SDK's own way to any path: the body goes out, and the reply comes back, as it is.
        response = await client.post(self.call_url, cast_to=httpx2.Response, body=dict(body))
        # Its headers decode each name at each look: once is enough.
        headers = dict(response.headers.items())
        return Reply(response.status_code, headers, response.content)

    def read_completion(self, reply: Reply) -> Completion:
        if self.endpoint == "chat":
            return super().read_completion(reply)
        content = read_json(reply.text)
        if isinstance(content, dict) and content.get("error"):
            raise self.reply_error(reply)  # status "failed"
        return self._read_responses(msgspec.convert(content, _ResponsesReply))

    def usage_of(self, counts: object) -> Usage | None:
        return super().usage_of(counts) if self.endpoint == "chat" else _responses_usage(counts)

    def read_error(self, error: Exception) -> ModelError:
        if not is_imported("openai"):
            return super().read_error(error)
        import openai

        if isinstance(error, openai.APIStatusError):
            response = error.response
            return self.reply_error(Reply(response.status_code, response.headers, response.content))
        if isinstance(error, openai.APIConnectionError) and isinstance(error.__cause__, Exception):
            return super().read_error(error.__cause__)
        return super().read_error(error)

    def _read_responses(self, reply: _ResponsesReply) -> Completion:
        items = [item for item in reply.output if item.type == "message"]
        parts = [part for item in items for part in item.content or ()]
        refusal = "".join(part.refusal for part in parts)
        thoughts = [part.text for item in reply.output for part in item.summary or () if part.text]
        return Completion(
            text="".join(part.text for part in parts) or refusal,
            finish_reason="refusal" if refusal else _finish_reason(reply),
            served_model=reply.model,
            served_tier=reply.service_tier,
            request_id=reply.id,
            reasoning_text="\n\n".join(thoughts) or None,
            usage=self.usage_of(reply.usage),
        )

    def _open_client(self) -> "AbstractAsyncContextManager[openai.AsyncOpenAI]":
        import openai

        # With OPENAI_LOG=debug it shows replies' headers, which may repeat the key.
        logging.getLogger("openai").setLevel(logging.WARNING)
        organization, project = self.options.openai_organization, self.options.openai_project
        headers = {name: openai.Omit() for name in _ambient_header_names()}
        if not organization:
            headers["OpenAI-Organization"] = openai.Omit()
        if not project:
            headers["OpenAI-Project"] = openai.Omit()
        return openai.AsyncOpenAI(
            api_key=self.api_key,
            admin_api_key="",
            organization=organization,
            project=project,
            base_url=self.base_url,
            default_headers=cast(
                Mapping[str, str], {**headers, "Authorization": f"Bearer {self.api_key}"}
            ),
            max_retries=0,
            timeout=None,
            http_client=open_sdk_client(self.base_url),
        )


def _ambient_header_names() -> list[str]:
    """Return the names in OPENAI_CUSTOM_HEADERS, which the SDK would send unasked."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    return [line.partition(":")[0].strip() for line in lines if ":" in line]


def _finish_reason(reply: _ResponsesReply) -> FinishReason:
    if reply.status == "completed":
        return "stop"
    reason = reply.incomplete_details.reason if reply.incomplete_details else None
    return _INCOMPLETE.get(reason or "", "other")


def _responses_usage(counts: object) -> Usage | None:
    try:
        usage = msgspec.convert(counts, _ResponsesUsage, strict=False)
    except ValueError:
        return None
    cached = usage.input_tokens_details.cached_tokens if usage.input_tokens_details else None
    details = usage.output_tokens_details
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=cached or 0,
        reasoning_tokens=(details.reasoning_tokens if details else None) or 0,
    )
