"""What one hostile reply is, and the wires that it goes over."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tests.support.hostile.raw_http import Field, encode, reply
from tests.support.provider_formats import FORMATS, Json, Provider
from tests.support.watched_server import task_of

# Bytes go to the socket as they are; a number is a pause in seconds; "hang up" and "reset" end
# the connection, politely or not.
Step = bytes | float | Literal["hang up", "reset"]
_NAME = re.compile(r"name it exactly `(\w+)`")


@dataclass(frozen=True, slots=True)
class Wire:
    """One model over one wire format.

    model: as --models takes it. label: its folder, and `model` in its records.
    path: how the path of its calls ends.
    """

    provider: Provider
    model: str
    label: str
    path: str


CHAT = Wire("xai", "grok-4.3", "grok-4.3", "/chat/completions")
OPENAI = Wire("openai", "gpt-5.4-mini", "gpt-5.4-mini", "/chat/completions")
RESPONSES = Wire("openai", "gpt-5.5-pro", "gpt-5.5-pro", "/responses")
ANTHROPIC = Wire("anthropic", "claude-opus-4-6", "claude-opus-4-6", "/v1/messages")
GOOGLE = Wire("google", "gemini-3.5-flash-lite", "gemini-3.5-flash-lite", ":generateContent")
# One of each way to read a reply: over aiohttp alone, and through the three SDKs.
WIRES = (CHAT, OPENAI, RESPONSES, ANTHROPIC, GOOGLE)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the collector's, as a hostile reply may see it."""

    wire: Wire
    task_id: str
    name: str
    body: Mapping[str, Json]

    def good(self, text: str | None = None) -> Json:
        """Return a good reply, around a text where one is given."""
        model = self.wire.label
        code = f"```python\ndef {self.name}(value):\n    return value\n```\n"
        answer = FORMATS[self.wire.provider].good(
            model, self.wire.path, self.body, code if text is None else text
        )
        copy: Json = json.loads(json.dumps(answer))
        return copy

    @property
    def good_bytes(self) -> bytes:
        return encode(self.good())

    def error(self, status: int, words: str) -> Json:
        """Return an error as this provider writes it."""
        return FORMATS[self.wire.provider].error(status, words)


def read_call(wire: Wire, content: bytes) -> Call:
    """Return the call that a request's body asks for; its model becomes the wire's label."""
    body: dict[str, Json] = json.loads(content)
    name = _NAME.search(content.decode())
    label = wire.label or str(body.get("model"))
    return Call(replace(wire, label=label), task_of(body), name[1] if name else "", body)


@dataclass(frozen=True, slots=True)
class Hostile:
    """One kind of hostile reply.

    steps: call -> what is sent. text: name of the solution -> the answer's text, for replies
    that are whole and good but for it: such an answer must be kept as it came.
    stays_open: the connection takes further calls after it.
    """

    name: str
    steps: Callable[[Call], Iterable[Step]]
    text: Callable[[str], str] | None = None
    stays_open: bool = False


def answer_text(name: str, text: str) -> Hostile:
    """Return a good reply around a text, in which NAME stands for the solution's name."""

    def fill(solution: str) -> str:
        return text.replace("NAME", solution)

    def steps(call: Call) -> Iterable[Step]:
        return [reply(encode(call.good(fill(call.name))))]

    return Hostile(name, steps, text=fill, stays_open=True)


Build = Callable[[Call], bytes]


def whole(name: str, build: Build | bytes, *, stays_open: bool = False) -> Hostile:
    """Return a reply that is sent at one go."""

    def steps(call: Call) -> Iterable[Step]:
        return [build if isinstance(build, bytes) else build(call)]

    return Hostile(name, steps, stays_open=stays_open)


def body(name: str, content: Build | bytes, status: int = 200) -> Hostile:
    """Return a reply with a hostile body, in HTTP that is in order."""

    def build(call: Call) -> bytes:
        return reply(content if isinstance(content, bytes) else content(call), status)

    return whole(name, build, stays_open=True)


def good(
    status: int | str = 200,
    fields: Iterable[Field] = (),
    *,
    content_type: str = "application/json",
    before: bytes = b"",
    after: bytes = b"",
) -> Build:
    """Return what builds a good reply, with these around it."""
    fields = tuple(fields)

    def build(call: Call) -> bytes:
        whole = reply(call.good_bytes, status, fields, content_type=content_type)
        return before + whole + after

    return build
