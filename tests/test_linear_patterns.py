"""Every regular expression of the project takes steps in proportion to the length of its text.

All are found by themselves (tests/support/project_patterns.py), and each is searched for in,
matched with and fullmatched with hundreds of texts made for it (hard_texts.py), however the
project uses it. Steps are counted (regex_steps.py) at doubled lengths, so no machine is too busy.
"""

import random
import re
from collections.abc import Iterator
from itertools import product

import pytest

from tests.support.growth import grows_too_fast
from tests.support.hard_texts import HardText, hard_texts
from tests.support.project_patterns import project_patterns
from tests.support.regex_steps import StepCounter, TooManySteps

PATTERNS = project_patterns()
QUICK, MANY = 60, 1_000  # texts a pattern
MOST_STEPS = 1_000  # a character; beyond, counting is given up
WAYS = ("finditer", "match", "fullmatch")
# Three that the project had, and the kinds of text on which each took too long.
WERE_TOO_SLOW = {
    r"[A-Za-z_]\w*(?:\s*:\s*[\w.\[\], |]+)?\s*=(?!=)\s*\S": "blanks behind a colon, cubic",
    r"<\|channel\|>\s*(\w+)[^<\n]*<\|message\|>": "letters behind a mark",
    r"\S*\d\S*": "a long word without a digit",
}


def steps(counter: StepCounter, text: str, way: str) -> int | None:
    """Return how many steps one use of the pattern takes, None if too many."""
    counter.steps, counter.most = 0, MOST_STEPS * len(text)
    try:
        if way == "finditer":
            for _ in counter.finditer(text):
                pass
        elif way == "match":
            counter.match(text)
        else:
            counter.fullmatch(text)
    except TooManySteps:
        return None
    return counter.steps


def slow_texts(pattern: re.Pattern[str], count: int) -> Iterator[tuple[str, HardText]]:
    """Yield the texts, and ways of using the pattern on them, that take too many steps."""
    counter = StepCounter(pattern)
    for text, way in product(hard_texts(pattern, count, random.Random(0)), WAYS):
        if grows_too_fast(lambda length: steps(counter, text.of(length), way)):  # noqa: B023
            yield way, text


@pytest.mark.slow
@pytest.mark.parametrize("where", PATTERNS)
def test_a_pattern_is_linear(where: str) -> None:
    assert list(slow_texts(PATTERNS[where], QUICK)) == []


@pytest.mark.slow
@pytest.mark.parametrize("where", PATTERNS)
def test_a_pattern_is_linear_on_many_texts(where: str) -> None:
    assert list(slow_texts(PATTERNS[where], MANY)) == []


@pytest.mark.parametrize("pattern", WERE_TOO_SLOW)
def test_a_pattern_that_is_not_is_found_out(pattern: str) -> None:
    assert next(slow_texts(re.compile(pattern), QUICK), None) is not None


@pytest.mark.slow
@pytest.mark.parametrize("where", PATTERNS)
def test_the_counting_machine_matches_as_the_real_engine_does(where: str) -> None:
    pattern = PATTERNS[where]
    counter = StepCounter(pattern)
    for text in (hard.of(12) for hard in hard_texts(pattern, QUICK, random.Random(1))):
        assert list(counter.finditer(text)) == [match.span() for match in pattern.finditer(text)]
        for ours, theirs in (
            (counter.match(text), pattern.match(text)),
            (counter.fullmatch(text), pattern.fullmatch(text)),
        ):
            assert ours == (theirs.end() if theirs else None)


def test_there_are_patterns_to_check() -> None:
    kept = {where for where in PATTERNS if " " in where}
    assert len(kept) > 80
    assert len(PATTERNS.keys() - kept) > 8  # written where they are used
