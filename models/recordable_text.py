"""Texts from outside, as files and eyes can hold them."""

_LONGEST_MESSAGE = 300  # characters of a ModelError


def beginning(error: Exception) -> str:
    """Return as much of an error's text as is ever looked at."""
    return str(error)[: 10 * _LONGEST_MESSAGE]


def message_text(text: str) -> str:
    """Return an error's text in one line, cut to a bearable length."""
    line = " ".join(text.split())
    return utf8(line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 3]}...")


def utf8(text: str) -> str:
    """Return a text that a file can hold: half a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
