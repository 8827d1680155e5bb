"""An aiohttp response that is never larger in memory than a reply may be."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import aiohttp
from aiohttp.typedefs import JSONDecoder

from config.errors import BadReply
from models.wire.json_border import read_json
from models.wire.reading_room import MOST_REPLY_BYTES, ReadingRoom
from models.wire.reply import MOST_ERROR_BYTES
from models.wire.reply_errors import read_request_id

_PIECE_BYTES = 64_000
# Others are looked up by name in all of Python's codecs, of which some take for ever (punycode).
_CHARSETS = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252", "utf-16"})


class BoundedResponse(aiohttp.ClientResponse):
    """A response whose body is read in pieces, up to a bound that holds after unpacking.

    An error's body is cut to what an error needs; a longer answer is a BadReply. room: what all
    replies of the process share, since memory is the process's.
    """

    room: ClassVar[ReadingRoom] = ReadingRoom()

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Start reading; cookies are nobody's, and parsing them takes its time."""
        await super().start(connection)
        self._raw_cookie_headers = None
        return self

    async def read(self) -> bytes:
        """Return the body, unpacked; raise BadReply where it is larger than a reply may be."""
        if self._body is not None:
            return self._body
        try:
            with self._told_of_a_lost_connection():
                self._body = await self._read_within_bounds()
        except BaseException:
            self.close()
            raise
        if not self.content.is_eof():  # what else would come is not worth the connection
            self.close()
            return self._body
        return await super().read()

    async def pieces(self, silence_seconds: float) -> AsyncGenerator[bytes, None]:
        """Yield the body, unpacked, as it comes: it is a file, and never in memory as a whole.

        Raises TimeoutError where nothing comes for so long.
        """
        with self._told_of_a_lost_connection():
            while True:
                async with asyncio.timeout(silence_seconds):
                    piece = await self.content.read(_PIECE_BYTES)
                if not piece:
                    return
                yield piece

    async def _read_within_bounds(self) -> bytes:
        is_answer = 200 <= self.status < 300
        most_bytes = MOST_REPLY_BYTES if is_answer else MOST_ERROR_BYTES
        body = bytearray()
        with self.room.reader() as reader:
            while piece := await self.content.read(_PIECE_BYTES):
                await reader.take(len(piece))
                body += piece
                if len(body) > most_bytes:
                    break
        if is_answer and len(body) > most_bytes:
            raise BadReply(
                f"the reply is larger than {MOST_REPLY_BYTES / 1e6:g} MB unpacked",
                status=self.status,
                request_id=read_request_id(self.headers),
            )
        del body[most_bytes:]
        return bytes(body)

    @contextmanager
    def _told_of_a_lost_connection(self) -> Iterator[None]:
        """Let the body's reader know when nothing more can come.

        aiohttp forgets to where a chunk cannot be parsed: the reader would wait for ever.
        """
        protocol = self.connection.protocol if self.connection else None
        if protocol is None:
            yield
            return
        lost = protocol.closed
        if lost is None:  # it is lost already
            self._break_off()
            yield
            return
        lost.add_done_callback(self._break_off)
        try:
            yield
        finally:
            lost.remove_done_callback(self._break_off)

    def _break_off(self, lost: asyncio.Future[None] | None = None) -> None:
        cause = lost.exception() if lost and not lost.cancelled() else None
        if not self.content.is_eof() and self.content.exception() is None:
            words = f"the connection ended in the middle{f': {cause}' if cause else ''}"
            self.content.set_exception(aiohttp.ClientPayloadError(words))

    async def json(
        self,
        *,
        encoding: str | None = None,
        loads: JSONDecoder = read_json,
        content_type: str | None = "application/json",
    ) -> Any:
        """Return the body's value; raise ValueError for what cannot be read."""
        return await super().json(encoding=encoding, loads=loads, content_type=content_type)

    def get_encoding(self) -> str:
        """Return the body's encoding: UTF-8, unless it is declared to be another plain one."""
        declared = super().get_encoding()
        return declared if declared in _CHARSETS else "utf-8"


def bound_every_session() -> None:
    """Let sessions that others open in this process read their replies in the same way.

    A model's class may open its own, as the guide's example does; aiohttp has no other place to
    set this.
    """
    defaults = aiohttp.ClientSession.__init__.__kwdefaults__
    assert defaults is not None, "a session takes its settings by name"
    defaults["response_class"] = BoundedResponse
