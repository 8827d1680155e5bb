"""An aiohttp response that is never larger in memory than a reply may be."""

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
            with self.room.reader() as reader:
                body = bytearray()
                while piece := await self.content.read(_PIECE_BYTES):
                    await reader.take(len(piece))
                    body += piece
                    if len(body) > self._most_bytes:
                        return self._cut(bytes(body))
        except BaseException:
            self.close()
            raise
        self._body = bytes(body)
        return await super().read()

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

    @property
    def _most_bytes(self) -> int:
        return MOST_REPLY_BYTES if 200 <= self.status < 300 else MOST_ERROR_BYTES

    def _cut(self, body: bytes) -> bytes:
        self.close()  # what else would come is not worth the connection
        if 200 <= self.status < 300:
            raise BadReply(
                f"the reply is larger than {MOST_REPLY_BYTES / 1e6:g} MB unpacked",
                status=self.status,
                request_id=read_request_id(self.headers),
            )
        self._body = body[:MOST_ERROR_BYTES]
        return self._body


def bound_every_session() -> None:
    """Let sessions that others open in this process read their replies in the same way.

    A model's class may open its own, as the guide's example does; aiohttp has no other place to
    set this.
    """
    defaults = aiohttp.ClientSession.__init__.__kwdefaults__
    assert defaults is not None, "a session takes its settings by name"
    defaults["response_class"] = BoundedResponse
