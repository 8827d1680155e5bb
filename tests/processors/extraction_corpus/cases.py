"""The corpus: replies, and what extraction must make of each.

A file holds cases. A case starts with "=== what it shows" and has lines "key: value", then
"--- reply" with the reply and, where code is expected, "--- code" with exactly that code.

name: the expected name, - for none
call: an expression over the extracted code that must be true
expect: code (default); none: nothing may be extracted; broken, newer, other, script: the code is
    kept as it is, though it does not parse, parses in a later Python only, defines another name,
    or defines none
finish: length where the provider says that the reply was cut off
truncated, ambiguous: yes or no; method; has, lacks: text that the code must (not) hold
escapes: yes where the reply is one line of Python escapes (\\n, \\r, \\x1b)

real/ holds replies of a real model (benchmarks/collect_replies.py) in the same form, with
present: yes where the reply, read by hand, holds a whole definition of the name
right: where a simple rule gives other code, which of the two is right, and why
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One reply and what is expected of it; code is None where none is written down."""

    title: str
    reply: str
    code: str | None
    keys: dict[str, str]

    @property
    def name(self) -> str | None:
        name = self.keys["name"]
        return None if name == "-" else name

    @property
    def expect(self) -> str:
        return self.keys.get("expect", "code")


def load_cases() -> list[Case]:
    """Return all cases, files and cases in order."""
    return [case for file in sorted(FOLDER.glob("*.txt")) for case in read_cases(file)]


def load_real_cases() -> list[Case]:
    """Return the replies of a real model."""
    return [case for file in sorted((FOLDER / "real").glob("*.txt")) for case in read_cases(file)]


def read_cases(file: Path) -> list[Case]:
    """Return the cases of one file."""
    sections = file.read_text(encoding="utf-8").split("\n=== ")
    sections[0] = sections[0].removeprefix("=== ")
    return [_case(section) for section in sections]


def _case(section: str) -> Case:
    head, _, body = section.partition("\n--- reply")
    title, *lines = head.split("\n")
    keys = dict(line.split(": ", 1) for line in lines)
    reply, mark, code = body.removeprefix("\n").partition("\n--- code\n")
    if keys.get("escapes") == "yes":
        reply, code = _unescaped(reply), _unescaped(code)
    return Case(title=title, reply=reply, code=code.rstrip("\n") if mark else None, keys=keys)


def _unescaped(text: str) -> str:
    """Return the text with its escapes read; whatever is written in full stays as it is."""
    escaped = text.rstrip("\n").encode("ascii", "backslashreplace")
    return escaped.decode("unicode_escape")
