"""Which refusals of a call at the flex tier say that it has no room, and nothing of any rate.

OpenAI says 429 "Resource Unavailable" (its flex guide: not billed, try again), with the code
resource_unavailable; Google sheds calls with a 503, or with a 429 that names no quota.
"""

from config.errors import ModelError, NoCapacity, Overloaded, RateLimited

_NO_ROOM = ("resource_unavailable", "resource unavailable")
_SHED = 503


def without_room(error: ModelError, body: str) -> ModelError:
    """Return NoCapacity in place of the error of a flex call, where the tier has no room for it.

    body: the reply's text as it came.
    """
    if not _says_no_room(error, body):
        return error
    return NoCapacity(
        f"no room at the flex tier: {error}",
        status=error.status,
        signals=error.signals,
        request_id=error.request_id,
    )


def _says_no_room(error: ModelError, body: str) -> bool:
    if isinstance(error, Overloaded):
        return error.status == _SHED
    if not isinstance(error, RateLimited):
        return False
    words = body.lower()
    if any(mark in words for mark in _NO_ROOM):
        return True
    return "resource_exhausted" in words and "quota" not in words
