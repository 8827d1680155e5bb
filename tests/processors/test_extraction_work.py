"""Extraction and validation do work in proportion to a reply's length, whatever the reply is.

Work is counted, not timed: a copy of processors/ counts each round of a loop, each call, and the
characters that Python's own code copies, searches and parses (tests/support/work_meter.py). The
times are figures of benchmarks/extraction.py.
"""

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from processors.extraction.code_candidates import extract_code
from processors.reply import statements
from processors.syntax.python_source import Parsed, parse_python
from tests.processors.extraction_corpus.cases import load_cases
from tests.processors.extraction_corpus.hostile import UNITS, WRAPS, hostile_text
from tests.support.growth import grows_too_fast
from tests.support.work_meter import Meter, metered, run_metered

MOST_PARSED = 300_000  # characters of one reply, however long it is
LENGTHS = (600, 3_000, 20_000)
FEW_STEPS = 300  # a character; the worst texts take 200
METER: Meter
METER, (CANDIDATES, VALIDATOR, VERBATIM) = metered(
    "extraction.code_candidates", "response_validator", "extraction.verbatim"
)
MARKS = [chr(code) for code in range(32, 127) if not chr(code).isalnum()]
MORE_UNITS = [
    "wait, no. ", "Option 2:\n", "final version:\n", "or, using\n", "In [1]: a\n", "... a\n",
    ">>> ", "<answer>\n", "</code>", "<pre>", "<tool_call>", "<|channel|>final<|message|>",
    "<|channel|>a", "</s>\n", "[/INST]", "[ANSWER]", "\\boxed{", "\\end{minted}", "]]>",
    "<![CDATA[", "```python ", "> > > ", "> ```python\n", "- ```\n", "1. ```\n", "    ```\n",
    "\t```python\n", "````\n", "~~~~ py\n", "a\\\n", '\\"""', "x = '''\n", "f'{a!r}' ",
    "class A:\n    def f(self):\n", "solve = w(solve)\n", "@solve.register\ndef f(a): pass\n",
    "solve.a = b\n", "def helper(a):\n    return a\n", "helper()\n", "# ...\n", "    x = 1\n",
    "\t\t", "a:", "a: ", "a;", "[\n", '{"a": [', '"a": "b = 1\\n",', "&lt;a&gt;", "global a\n",
    "nonlocal a\n", "lambda a: a, ", "(a := 1)\n", "[a for a in b]\n", "return\n", "yield\n",
    "try: pass\nfinally: pass\n", "match a:\n case b: pass\n", "with a as b: pass\n", "\r\n",
    "1 | a\n", "@@ a\n", "def f(", "\ufeff", "\x1b[31m",
]  # fmt: skip
MORE_WRAPS = [
    "```\n{}\n```\n", "<code>{}</code>", "> ```python\n> def solve(a): pass\n{}", '{"code": "{}"}',
    "{}\n```python\ndef solve(a):\n    return b\n```\n", "- ```python\n  {}\n", "<think>{}",
    "`{}`", "```python\nclass solve:\n    a = 1\n```\n{}", ">>> def solve(a): pass\n{}",
    "```python\n'''\n{}", "```python\ndef solve(a): return b\n```\n```python\n{}\n```\n",
    '```python\nx = """\n```\n{}',
]  # fmt: skip
ALL_UNITS = list(dict.fromkeys([*UNITS.values(), *MARKS, *MORE_UNITS, *(f"{m}\n" for m in MARKS)]))
ALL_WRAPS = [*WRAPS.values(), *MORE_WRAPS]


def work(text: str) -> int:
    """Return the steps of reading a reply and judging what it holds."""
    METER.steps = 0
    found = CANDIDATES.extract_code(text, "solve")
    VALIDATOR.ResponseValidator().validate(found.code, "solve")
    return METER.steps


def both(first: str, second: str, characters: int) -> str:
    """Return the one again and again, then the other."""
    half = characters // 2
    return first * (half // len(first)) + "\n" + second * (half // len(second))


def in_turns(first: str, second: str, characters: int) -> str:
    return f"{first}{second}" * (characters // len(first + second))


def in_a_square(first: str, second: str, characters: int) -> str:
    """Return as many lines as each has characters: a run of the one, then of the other."""
    side = int(characters**0.5)
    line = first * max(1, side // len(first)) + second * max(1, side // len(second)) + "\n"
    return line * max(1, characters // len(line))


def check_growth(text_of: Callable[[int], str]) -> None:
    steps = [work(text_of(LENGTHS[0])), work(text_of(2 * LENGTHS[0]))]
    assert not grows_too_fast(lambda characters: work(text_of(characters)), LENGTHS)
    assert max(steps) < FEW_STEPS * 2 * LENGTHS[0]


def turned(units: Sequence[str], wraps: Sequence[str]) -> list[tuple[str, str]]:
    """Return each unit once, the wraps in turn."""
    return [(unit, wraps[number % len(wraps)]) for number, unit in enumerate(units)]


@pytest.mark.parametrize(("unit", "wrap"), turned(list(UNITS), list(WRAPS)))
def test_a_longer_reply_costs_no_more_a_character(unit: str, wrap: str) -> None:
    check_growth(lambda characters: hostile_text(unit, wrap, characters))


@pytest.mark.slow
@pytest.mark.parametrize("wrap", ALL_WRAPS)
def test_nor_does_any_unit_in_any_wrap(wrap: str) -> None:
    for unit in ALL_UNITS:
        check_growth(
            lambda characters: wrap.replace("{}", unit * (characters // len(unit)), 1)  # noqa: B023
        )


@pytest.mark.slow
@pytest.mark.parametrize("shape", [both, in_turns, in_a_square])
def test_nor_do_two_units_together(shape: Callable[[str, str, int], str]) -> None:
    chance = random.Random(1)
    for _ in range(300):
        wrap, first, second = chance.choice(ALL_WRAPS), *chance.choices(ALL_UNITS, k=2)
        check_growth(
            lambda characters: wrap.replace("{}", shape(first, second, characters), 1)  # noqa: B023
        )


@pytest.mark.slow
@pytest.mark.parametrize("copied", ["a = 1\n", "if a:\n    b\n"])
@pytest.mark.parametrize("shown", ["a = 1\n", "if a:\n    b\n"])
def test_what_an_llm_copied_is_checked_in_linear_time(copied: str, shown: str) -> None:
    def steps(characters: int) -> int:
        METER.steps = 0
        reply = "prose between\n" + f"{shown}and prose\n" * (characters // 20)
        VERBATIM.what_is_wrong(copied * (characters // 20) + "def solve(): pass", reply, "solve")
        return METER.steps

    assert not grows_too_fast(steps, LENGTHS)


def test_the_copy_that_counts_extracts_the_same() -> None:
    for case in load_cases():
        cut = case.keys.get("finish") == "length"
        ours = CANDIDATES.extract_code(case.reply, case.name, truncated_reply=cut)
        theirs = extract_code(case.reply, case.name, truncated_reply=cut)
        assert (ours.code, ours.method, ours.span) == (theirs.code, theirs.method, theirs.span)


# Three that the project had.
SLICE_BEFORE_EACH_QUOTE = """
def slow(text):
    place = 0
    while (place := text.find("!", place)) >= 0:
        before = text[:place]
        place += 1
"""
QUOTES_TIMES_LINES = """
def slow(text):
    for line in text.splitlines():
        for _ in range(text.count("!")):
            pass
"""
SEARCH_FOR_EACH_LINE = """
def slow(text):
    for place in range(0, len(text), 40):
        for match in pattern.finditer(text, place):
            break
"""


@pytest.mark.parametrize(
    "source", [SLICE_BEFORE_EACH_QUOTE, QUOTES_TIMES_LINES, SEARCH_FOR_EACH_LINE]
)
def test_code_that_is_not_linear_is_found_out(source: str) -> None:
    meter = Meter()
    names: dict[str, Any] = {"pattern": re.compile("[?]")}
    run_metered(source, meter, names)

    def steps(characters: int) -> int:
        meter.steps = 0
        names["slow"]("!\n" * (characters // 2))
        return meter.steps

    assert grows_too_fast(steps, (300, 1_200))


def parsed_characters(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    lengths: list[int] = []

    def counting(source: str) -> Parsed:
        lengths.append(len(source))
        return parse_python(source)

    monkeypatch.setattr(statements, "parse_python", counting)
    extract_code(text, "solve")
    return sum(lengths)


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
