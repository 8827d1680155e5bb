"""What may go to a terminal: text that others wrote moves no cursor and sets no title."""


def printable(text: str) -> str:
    r"""Return the text with control characters, and such as turn text round, as \x1b or \u202e."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _spelled_out(c) for c in text)


def _spelled_out(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()
