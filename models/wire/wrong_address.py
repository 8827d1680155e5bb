"""A call that found nobody, or nothing: where it went, and what is likely wrong with that."""

import re
from urllib.parse import urlsplit

from config.errors import ModelError, ModelGone, Unreachable

_NOT_ALLOWED = 405
_VERSIONS = re.compile(r"/(v\d\w*)/(v\d\w*)(?=/|$)")
_ENDPOINT = r"chat/completions|completions|messages|responses|models"
_ENDPOINT_TWICE = re.compile(rf"/(?:v\d\w*/)?({_ENDPOINT})/(?:v\d\w*/)?(?:{_ENDPOINT})(?=/|$)")


def may_be_the_address(error: ModelError) -> bool:
    """Return whether an error may come of a wrong address or model name."""
    status = error.status or 0
    return (
        isinstance(error, ModelGone | Unreachable) or 300 <= status < 400 or status == _NOT_ALLOWED
    )


def address_words(url: str, variable: str, *, is_default: bool) -> str:
    """Return the URL that was called, with the mistake that its path looks like.

    variable: what sets the base URL; is_default: it does not.
    """
    parts = urlsplit(url)._replace(query="", fragment="")  # a query may hold a key
    mistake = "" if is_default else _mistake(parts.path, variable)
    return f"the URL was {parts.geturl()}{mistake and f'; {mistake}'}"


def _mistake(path: str, variable: str) -> str:
    if too_long := _ENDPOINT_TWICE.search(path):
        return f"its path is too long: end {variable} before /{too_long[1]}"
    if versions := _VERSIONS.search(path):
        first, second = versions.groups()
        has = f"has /{first} twice" if first == second else f"has both /{first} and /{second}"
        return f"it {has}: take /{first} out of {variable}"
    if not re.search(r"/v\d", path):
        return f"it has no /v1: should {variable} end in /v1?"
    return ""
