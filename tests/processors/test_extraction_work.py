"""Extraction does work in proportion to a reply's length, whatever the reply is.

Work is counted, not timed: characters handed to Python's parser, and calls made. The times are
figures of benchmarks/extraction.py.
"""

import sys
from types import FrameType

import pytest

from processors.extraction.code_candidates import extract_code
from processors.reply import statements
from processors.syntax.python_source import Parsed, parse_python
from tests.processors.extraction_corpus.hostile import UNITS, WRAPS, hostile_text

MOST_PARSED = 300_000  # characters of one reply, however long it is
SHORT, LONG = 1_500, 6_000  # characters
FEW_CALLS = 25  # a character; the worst texts take 86


def parsed_characters(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    lengths: list[int] = []

    def counting(source: str) -> Parsed:
        lengths.append(len(source))
        return parse_python(source)

    monkeypatch.setattr(statements, "parse_python", counting)
    extract_code(text, "solve")
    return sum(lengths)


def calls_made(text: str) -> int:
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    outer = sys.getprofile()
    sys.setprofile(count)
    try:
        extract_code(text, "solve")
    finally:
        sys.setprofile(outer)
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("unit", UNITS)
def test_a_character_of_a_longer_reply_costs_no_more_calls(unit: str, wrap: str) -> None:
    short = calls_made(hostile_text(unit, wrap, SHORT)) / SHORT
    long = calls_made(hostile_text(unit, wrap, LONG)) / LONG
    assert long <= max(1.2 * short, FEW_CALLS)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", ["in a fence", "in an open fence after a solution"])
@pytest.mark.parametrize("unit", UNITS)
def test_a_long_reply_is_not_parsed_beyond_its_share(
    unit: str, wrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = hostile_text(unit, wrap, MOST_PARSED + 50_000)
    assert parsed_characters(text, monkeypatch) <= MOST_PARSED


def test_what_is_longer_than_the_share_is_kept_unread() -> None:
    code = "def solve(a):\n    return a\n" + "# more\n" * (MOST_PARSED // 7)
    found = extract_code(f"```python\n{code}```\n", "solve")
    assert (found.code, found.method) == (code.rstrip("\n"), "fence")
