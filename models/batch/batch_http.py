"""What batch APIs are asked with: bounded replies, files that stream both ways, no repeats."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TypeVar, cast

import aiohttp
import msgspec

from config.clock import SystemClock
from config.errors import (
    BadReply,
    ConnectionLost,
    ModelError,
    Overloaded,
    TimedOut,
    Unreachable,
)
from models.base_model import BaseModel
from models.batch.batch_api import (
    BatchApi,
    BatchInput,
    Created,
    CreateOutcome,
    Refused,
    Unknown,
)
from models.wire.bounded_response import BoundedResponse
from models.wire.http_session import open_session
from models.wire.json_border import read_json
from models.wire.rate_headers import read_rate_signals
from models.wire.reply import Reply

Shape = TypeVar("Shape")

_STATUS_SECONDS = 60.0  # for a small question
_CREATE_SECONDS = 300.0  # where the lines may be in it
_FILE_SECONDS = 1800.0  # for a whole file to be sent
_SILENCE_SECONDS = 120.0  # between two pieces of a file
_NOT_FOUND = 404
# What a server may say once it has made the batch all the same.
_MADE_OR_NOT = frozenset({408, 409, 425, 499})


class BatchHttp:
    """One model's way to its provider's batch API: its key, its session, its errors.

    base_url: what paths are appended to. headers: the key's among them; they go to base_url alone.
    """

    def __init__(self, model: BaseModel, base_url: str, headers: Mapping[str, str]) -> None:
        self.model = model
        self.base_url = base_url.rstrip("/")
        self._headers = dict(headers)

    async def get(self, path: str, **parameters: str) -> Reply:
        """Return a 2xx reply. Raises ModelError; a 404 is a TransientError.

        What was made a moment ago may not be found yet, or not for a moment.
        """
        reply = await self._ask("GET", path, _STATUS_SECONDS, params=parameters)
        if reply.status == _NOT_FOUND:
            raise Overloaded(f"not found at the moment: {path}", status=_NOT_FOUND)
        return self._successful(reply)

    async def post(self, path: str, body: object = None, **content: object) -> Reply:
        """Return a 2xx reply to a JSON body, None for none. Raises ModelError.

        content: headers, for this request alone.
        """
        asked = await self._ask("POST", path, _STATUS_SECONDS, json=body, **content)
        return self._successful(asked)

    async def create(self, path: str, **content: object) -> Reply | Refused | Unknown:
        """Return a 2xx reply to the request that makes a batch, or what is known without one.

        content: json, or data (bytes, or an async iterator of them); headers, for it alone.
        """
        try:
            reply = await self._ask("POST", path, _CREATE_SECONDS, **content)
        except ModelError as error:
            return create_failed(error)
        if 200 <= reply.status < 300:
            return reply
        return create_failed(self.model.as_model_error(self.model.reply_error(reply)))

    async def upload(self, path: str, batch: BatchInput, form: Mapping[str, str]) -> Reply:
        """Return a 2xx reply to a form with the batch's lines as its field "file"."""
        data = aiohttp.FormData()
        for name, value in form.items():
            data.add_field(name, value)
        with batch.open_lines() as lines:
            data.add_field(
                "file", lines, filename=f"{batch.token}.jsonl", content_type="application/jsonl"
            )
            return self._successful(await self._ask("POST", path, _FILE_SECONDS, data=data))

    async def send_file(self, path: str, batch: BatchInput, headers: Mapping[str, str]) -> Reply:
        """Return a 2xx reply to the batch's lines as they stand on the disk."""
        with batch.open_lines() as lines:
            asked = await self._ask("POST", path, _FILE_SECONDS, data=lines, headers=headers)
            return self._successful(asked)

    async def file(self, path: str, **parameters: str) -> AsyncGenerator[bytes, None]:
        """Yield a file's content as it comes, ending in a line break. Raises ModelError."""
        last = b""
        try:
            async with self._requested("GET", path, params=parameters) as response:
                if not 200 <= response.status < 300:
                    self._successful(await _read(response))
                async with aclosing(response.pieces(_SILENCE_SECONDS)) as pieces:
                    async for piece in pieces:
                        last = piece
                        yield piece
        except Exception as error:
            raise self.model.as_model_error(error) from error
        if last and not last.endswith(b"\n"):
            yield b"\n"

    def _successful(self, reply: Reply) -> Reply:
        if 200 <= reply.status < 300:
            return reply
        raise self.model.as_model_error(self.model.reply_error(reply))

    async def _ask(self, method: str, path: str, seconds: float, **content: object) -> Reply:
        try:
            async with asyncio.timeout(seconds):
                async with self._requested(method, path, **content) as response:
                    return await _read(response)
        except TimeoutError as error:
            raise TimedOut(f"no whole reply to {method} {path} within {seconds:g} s") from error
        except Exception as error:
            raise self.model.as_model_error(error) from error

    @asynccontextmanager
    async def _requested(
        self, method: str, path: str, **content: object
    ) -> AsyncIterator[BoundedResponse]:
        identity = (aiohttp.ClientSession, self.base_url, self.model.api_key)
        opened = partial(open_session, self.base_url)
        session = await self.model.clients.get(identity, opened)
        more = cast(Mapping[str, str], content.pop("headers", {}))
        # A redirect would take the key to another host.
        request = session.request(
            method,
            f"{self.base_url}{path}",
            headers={**self._headers, **more},
            allow_redirects=False,
            **content,  # type: ignore[arg-type] # params, json or data
        )
        async with request as response:
            yield cast(BoundedResponse, response)


def wait_hint(reply: Reply, provider: str) -> float | None:
    """Return for how many seconds a reply asks to wait before the next question, if it does."""
    signals = read_rate_signals(provider, reply.headers, None, SystemClock().time())
    hints = [signal.retry_after_seconds for signal in signals if signal.retry_after_seconds]
    return max(hints, default=None)


def create_failed(error: ModelError) -> Refused | Unknown:
    """Return what an error says about the batch that was to be made."""
    if isinstance(error, Unreachable):  # nothing was sent
        return Refused(error)
    if isinstance(error, TimedOut | ConnectionLost | BadReply):
        return Unknown(str(error))
    status = error.status or 0
    if status in _MADE_OR_NOT or not 300 <= status < 500:
        return Unknown(str(error))
    return Refused(error)


def created(
    reply: Reply | Refused | Unknown, shape: type[Shape], id_of: Callable[[Shape], str]
) -> CreateOutcome:
    """Return what came of a create whose successful reply names the batch."""
    if not isinstance(reply, Reply):
        return reply
    try:
        return Created(id_of(read_reply(reply, shape)))
    except ModelError as error:
        return Unknown(str(error))


async def cancel_unless_ended(api: BatchApi, batch_id: str, asked: Awaitable[Reply]) -> None:
    """Return once asked, a cancel, is done; a batch that has ended refuses it, which is no error.

    Raises ModelError where it still runs.
    """
    try:
        await asked
    except ModelError:
        if (await api.poll(batch_id)).phase == "running":
            raise


def wall_seconds(text: str) -> float:
    """Return the wall seconds of an RFC 3339 time, 0 where it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def read_reply(reply: Reply, shape: type[Shape]) -> Shape:
    """Return a reply's JSON as a shape; raises BadReply where it is not that."""
    try:
        return msgspec.convert(read_json(reply.text), shape, strict=False)
    except ValueError as error:
        raise BadReply(f"a reply of an unexpected shape: {error}", status=reply.status) from error


def converted(value: object, shape: type[Shape]) -> Shape | None:
    """Return a part of a reply as a shape, None where it is not that."""
    try:
        return msgspec.convert(value, shape, strict=False)
    except ValueError:
        return None


async def _read(response: BoundedResponse) -> Reply:
    return Reply(response.status, response.headers, await response.read())
