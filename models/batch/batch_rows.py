"""One line of a result file, read: what every wire does alike, whatever its rows look like."""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from config.errors import BadReply, ModelError
from models.base_model import BaseModel, Completion
from models.batch.batch_api import BatchRow
from models.wire.json_border import decode_json
from prompts.prompt_template import Prompt

Row = TypeVar("Row")

EMPTY_PROMPT = Prompt(system="", user="")  # of a body that is read for its parameters alone

_NAMED_WITHIN_BYTES = 1_000  # an id stands at a line's beginning
# google.rpc.Code, which Google's rows carry, and xAI's: what each is over HTTP.
_HTTP_OF_RPC: Mapping[int, int] = {
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    13: 500,
    14: 503,
    15: 500,
    16: 401,
}
RPC_CANCELLED = 1
_RPC_UNKNOWN = 500


class Fault(msgspec.Struct):
    """What a row, or a whole batch, has in place of a reply."""

    code: object = None
    message: object = None


def read_line(
    line: bytes,
    decoder: msgspec.json.Decoder[Row],
    id_field: str,
    model: BaseModel,
    read: Callable[[Row], tuple[str, Callable[[], Completion | ModelError]]],
) -> BatchRow | None:
    """Return what one line says, None for one that names no request at all; never raises.

    read: returns a row's custom_id, and what reads its result, which may raise what it likes.
    """
    try:
        custom_id, result = read(decode_json(line, decoder))
    except ValueError as error:
        named = re.search(
            rb'"%s"\s*:\s*"([^"\\]{1,200})"' % id_field.encode(), line[:_NAMED_WITHIN_BYTES]
        )
        problem = BadReply(f"a row that cannot be read: {error}")
        return BatchRow(named[1].decode("utf-8", "replace"), problem) if named else None
    try:
        return BatchRow(custom_id, result())
    except Exception as error:  # noqa: BLE001 - the border where foreign errors become ours
        return BatchRow(custom_id, model.as_model_error(error))


def http_status_of(code: object) -> int:
    """Return the HTTP status of an error's code, be it one already or google.rpc's."""
    if not isinstance(code, int):
        return _RPC_UNKNOWN
    return code if 400 <= code < 600 else _HTTP_OF_RPC.get(code, _RPC_UNKNOWN)
