"""What may go to a terminal: text that others wrote moves no cursor and sets no title."""

import re

_ENDLESS_WORD = re.compile(r"\S{301,}")  # no path or name that a person can read is so long


def printable(text: str) -> str:
    r"""Return the text with control characters, and such as turn text round, as \x1b or \u202e."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _spelled_out(c) for c in text)


def shortened(text: str) -> str:
    """Return the text without the middle of words that are longer than anyone can read."""
    return _ENDLESS_WORD.sub(lambda word: f"{word[0][:200]}...{word[0][-80:]}", text)


def _spelled_out(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()
