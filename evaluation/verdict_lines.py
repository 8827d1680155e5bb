"""What a job said on the verdict pipe -> what each test came to; pure, and trusts nothing.

Source of the lines: inside/run_tests.py. There is one legal sequence; anything else is told apart
from it, and so is a sequence that stops early.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

LineStatus = Literal["pass", "fail", "error", "memory", "denied", "running", "not_reached"]
_LOAD_STATUSES = frozenset({"missing", "load_fail", "load_error", "load_memory", "load_denied"})
_TEST_STATUSES: dict[str, LineStatus] = {
    "pass": "pass",
    "fail": "fail",
    "error": "error",
    "memory": "memory",
    "denied": "denied",
}
_MOST_CHARACTERS = 1000
_NUMBER = re.compile(rb"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class TestLine:
    """What one test came to.

    running: it had begun when the job ended. text: an exception in words; came, expected: the two
    sides of a comparison that failed; line: where in ctx, from 1, 0 where it was not there.
    seconds: as the job's own clock has it.
    """

    __test__ = False  # not a test class for pytest

    status: LineStatus
    text: str = ""
    came: str = ""
    expected: str = ""
    line: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Lines:
    """All that a job said.

    is_legal: the sequence is the legal one, or its beginning. has_begun: the job was confined and
    about to load the solution. ended: the last line is there.
    loading: "loaded"; "missing" (the name), or "load_..." as a test's status; "" before either.
    """

    tests: list[TestLine]
    is_legal: bool = True
    has_begun: bool = False
    ended: bool = False
    loading: str = ""
    loading_line: TestLine = TestLine("not_reached")
    output_tail: str = ""


def parse_lines(content: bytes, token: str, number_of_tests: int) -> Lines:
    """Return what a job said; a last line that is cut off counts as not said."""
    tests = [TestLine("not_reached")] * number_of_tests
    steps = _Steps(tests)
    whole, _, _ = content.rpartition(b"\n")
    for raw in whole.split(b"\n") if whole else ():
        parsed = _split(raw, token)
        if parsed is None or not steps.take(*parsed):
            return steps.so_far(is_legal=False)
    return steps.so_far(is_legal=True)


class _Steps:
    """The legal sequence: ready, loading, then start and status of each test in turn, then end."""

    def __init__(self, tests: list[TestLine]) -> None:
        self._tests = tests
        self._has_begun = self._ended = self._is_running = False
        self._loading = ""
        self._loading_line = TestLine("not_reached")
        self._next = 0
        self._started = 0
        self._tail = ""

    def take(self, number: int, status: str, microseconds: int, text: bytes) -> bool:
        """Return whether a line may stand here."""
        if self._ended:
            return False
        if status == "ready":
            is_first = not self._has_begun and number == -1
            self._has_begun = True
            return is_first
        if not self._loading:
            return self._take_loading(number, status, text)
        if status == "end":
            self._ended = True
            self._tail = text.decode("utf-8", "replace")
            reached_end = self._next == len(self._tests) or self._loading != "loaded"
            return number == len(self._tests) and reached_end and not self._is_running
        return self._loading == "loaded" and self._take_test(number, status, microseconds, text)

    def so_far(self, *, is_legal: bool) -> Lines:
        """Return what was said until now."""
        return Lines(
            tests=self._tests,
            is_legal=is_legal,
            has_begun=self._has_begun,
            ended=self._ended,
            loading=self._loading,
            loading_line=self._loading_line,
            output_tail=self._tail,
        )

    def _take_loading(self, number: int, status: str, text: bytes) -> bool:
        if not self._has_begun or number != -1:
            return False
        if status != "loaded" and status not in _LOAD_STATUSES:
            return False
        self._loading = status
        self._loading_line = _test_line("error", text)
        return True

    def _take_test(self, number: int, status: str, microseconds: int, text: bytes) -> bool:
        if number != self._next or number >= len(self._tests):
            return False
        if status == "start" and not self._is_running:
            self._is_running = True
            self._started = microseconds
            self._tests[number] = TestLine("running")
            return True
        known = _TEST_STATUSES.get(status)
        if known is None or not self._is_running:
            return False
        self._is_running = False
        seconds = max(0, microseconds - self._started) / 1e6
        self._tests[number] = replace(_test_line(known, text), seconds=seconds)
        self._next += 1
        return True


def _split(raw: bytes, token: str) -> tuple[int, str, int, bytes] | None:
    """Return number, status, microseconds and text of a line, None where it is none."""
    words = raw.split(b" ")
    if len(words) != 5 or words[0] != token.encode():
        return None
    if not _NUMBER.fullmatch(words[1]) or not _NUMBER.fullmatch(words[3]):
        return None
    try:
        text = base64.b64decode(words[4], validate=True)
        return int(words[1]), words[2].decode("ascii"), int(words[3]), text
    except (binascii.Error, UnicodeDecodeError):
        return None


def _test_line(status: LineStatus, text: bytes) -> TestLine:
    fields = list(_fields(text))
    line = int(fields[0]) if fields[0].isascii() and fields[0].isdigit() else 0
    return TestLine(status, text=fields[3], came=fields[1], expected=fields[2], line=line)


def _fields(text: bytes) -> Iterator[str]:
    """Yield line, what came, what was expected, and words, each at most so long."""
    parts = text.decode("utf-8", "replace").split("\0", 3)
    for part in [*parts, "", "", "", ""][:4]:
        yield part[:_MOST_CHARACTERS]
