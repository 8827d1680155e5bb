r"""Text that UTF-8 can hold: a lone surrogate is spelled out as \udXXX."""

import re
from collections.abc import Mapping

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    r"""Return the text with halves of one character joined and lone surrogates as \udXXX."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return _joined(text).encode("utf-8", "backslashreplace").decode("utf-8")


def clean_value(value: object) -> object:
    """Return a JSON value with every text in it cleaned."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_value(item) for item in value]
    return value


def count_lone_surrogates(value: object) -> int:
    """Return how many characters of a JSON value clean_value spells out."""
    if isinstance(value, str):
        return 0 if value.isascii() else len(_SURROGATE.findall(_joined(value)))
    if isinstance(value, Mapping):
        return sum(count_lone_surrogates(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple):
        return sum(count_lone_surrogates(item) for item in value)
    return 0


def _joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
