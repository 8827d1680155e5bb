"""An unsuccessful reply in, the ModelError that it stands for out: the body decides."""

from collections.abc import Mapping

from config.errors import BadReply, ModelError


def error_from_reply(
    provider: str, status: int, headers: Mapping[str, str], body: str
) -> ModelError:
    """Return the error of one reply, with what it said about limits.

    body: the reply's text as it came, JSON or not.
    """
    return BadReply(f"{provider} answered {status}: {body[:200]}", status=status)
