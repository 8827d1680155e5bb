"""A short reply costs little, whatever it is: it may be read in the event loop.

Work is counted, not timed: 10,000 calls are about a millisecond.
"""

import sys
from collections.abc import Iterator
from types import FrameType

import pytest

from processors.reading.bounded_reader import SHORT_CHARACTERS, SHORT_LINES, is_short, read_short
from processors.reading.reading import Reply, read_reply
from tests.processors.extraction_corpus.hostile import UNITS, WRAPS

MOST_CALLS = 60_000

BRED = {  # what a search for ever more expensive texts came to
    "f-strings in f-strings": "```python\n- a\n<think>```\n    return x\n "
    + 'f"{' * 16
    + "f```python\n"
    + 'f"{' * 3
    + "a\n<"
    + "<code>a = 1</code>\n" * 34,
    "f-strings between quotes": "```python\ndef solve(a)\n"
    + 'Option 1: or, final version. f"{a}" > f"{"""\n> > f"{"""\n' * 20,
    "f-strings among documents": 'f"{f"{{"code": "solve = 1"}\nfrom a import b\n' * 24,
    "brackets in strings in brackets": "```python\ndef solve(a):\n    return a\nfrom a import b\n"
    + 'not   {\nnot f"{     type X = int\n      {\n' * 20,
}
CODE = {  # what is short and grows in a compiler
    "nested finally": "def solve(x):\n"
    + "".join(f"{' ' * n}try: x\n{' ' * n}finally:\n" for n in range(1, 24))
    + " " * 24
    + "x\n",
    "nested functions": "".join(f"{' ' * n}def solve(x{n}):\n" for n in range(45)),
    "nested classes": "".join(f"{' ' * n}class solve:\n" for n in range(45)) + " " * 45 + "pass\n",
    "nested lambdas": "solve = " + "lambda x: " * 90 + "x",
    "nested comprehensions": "solve = " + "[" * 45 + "x" + " for x in y]" * 45,
    "nested f-strings": "solve = " + "f'{" * 3 + "x" + "}'" * 3,
    "a fat body under finally": "def solve(x):\n try: return\n finally:\n" + "  x = [x] * 9\n" * 40,
    "many returns under finally": "def solve(x):\n try:\n" + "  return x\n" * 40 + " finally: x\n",
    "constants to fold": "solve = " + " ** ".join(["9"] * 200),
    "a huge number": "solve = " + "9" * 1_100,
    "a product of strings": "solve = " + "'a' * 9999 * " * 80 + "9",
    "unary operators": "solve = " + "- " * 580 + "1",
    "comparisons": "solve = " + "1 < " * 290 + "1",
    "decorators": "@solve\n" * 48 + "def solve(): pass\n",
    "patterns": "match x:\n" + " case [[[[[[x]]]]]] | {**y}: pass\n" * 30,
    "imports of long names": "from "
    + "a" * 500
    + " import "
    + ", ".join(f"b{n}" for n in range(90)),
}


def short_texts() -> Iterator[tuple[str, str]]:
    for kind, text in (BRED | CODE).items():
        yield kind, _cut(text)
        yield f"{kind}, in a fence", _cut("```python\n" + text, "\n```\n")
    for unit, repeated in UNITS.items():
        for wrap, around in WRAPS.items():
            before, after = around.split("{}")
            text = before + repeated * (SHORT_CHARACTERS // len(repeated))
            yield f"{unit}, {wrap}", _cut(text, after)


def _cut(text: str, end: str = "") -> str:
    lines = text[: SHORT_CHARACTERS - len(end)].splitlines(keepends=True)
    text = "".join(lines[: SHORT_LINES - len(end.splitlines())]) + end
    assert is_short(text)
    return text


TEXTS = dict(short_texts())
HARDEST = ("attributes set, in a fence", "lambdas, in a fence", *BRED, *CODE)


def calls_made(text: str) -> int:
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    outer = sys.getprofile()
    sys.setprofile(count)
    try:
        read_reply(Reply(text=text, name="solve", kind="function", mode="agentic"))
    finally:
        sys.setprofile(outer)
    return calls


@pytest.mark.parametrize("kind", HARDEST)
def test_reading_the_hardest_short_texts_takes_few_steps(kind: str) -> None:
    assert calls_made(TEXTS[kind]) <= MOST_CALLS


@pytest.mark.slow
@pytest.mark.parametrize("kind", TEXTS)
def test_reading_any_short_text_takes_few_steps(kind: str) -> None:
    assert calls_made(TEXTS[kind]) <= MOST_CALLS


@pytest.mark.parametrize(
    "text",
    [
        "a" * (SHORT_CHARACTERS + 1),
        *(end * (SHORT_LINES + 1) for end in ("\n", "\r", "\u2028", "\f")),
    ],
)
def test_what_is_longer_or_has_more_lines_is_not_short(text: str) -> None:
    assert not is_short(text)
    with pytest.raises(AssertionError):
        read_short(Reply(text=text, name="solve"))
