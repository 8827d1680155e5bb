"""The parser of what a job says: one legal sequence, and nothing that it says breaks it."""

import base64
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.verdict_lines import parse_lines

TOKEN = "t0ken"


def line(number: int, status: str, text: str = "", token: str = TOKEN, micro: int = 5) -> bytes:
    return f"{token} {number} {status} {micro} ".encode() + base64.b64encode(text.encode()) + b"\n"


BEGINNING = [line(-1, "ready"), line(-1, "loaded")]
WHOLE = [
    *BEGINNING,
    line(0, "start", micro=100),
    line(0, "pass", micro=2_000_100),
    line(1, "start"),
    line(1, "fail", "7\0a\0b\0"),
    line(2, "end", "tail"),
]


def test_the_whole_sequence() -> None:
    lines = parse_lines(b"".join(WHOLE), TOKEN, 2)
    assert lines.is_legal
    assert lines.ended
    assert [test.status for test in lines.tests] == ["pass", "fail"]
    assert lines.tests[0].seconds == 2.0
    assert (lines.tests[1].line, lines.tests[1].came, lines.tests[1].expected) == (7, "a", "b")
    assert lines.output_tail == "tail"


@pytest.mark.parametrize("kept", range(len(WHOLE)))
def test_an_early_end_is_legal_but_no_end(kept: int) -> None:
    cut = b"".join(WHOLE[:kept]) + WHOLE[kept][:-3]
    lines = parse_lines(cut, TOKEN, 2)
    assert lines.is_legal
    assert not lines.ended


@pytest.mark.parametrize(
    "wrong",
    [
        [*WHOLE, line(2, "end")],
        [*WHOLE, line(0, "pass")],
        WHOLE[1:],
        [WHOLE[0], *WHOLE],
        [*BEGINNING, line(0, "pass")],
        [*BEGINNING, line(1, "start")],
        [*BEGINNING, line(0, "start"), line(0, "start")],
        [*BEGINNING, line(0, "start"), line(1, "pass")],
        [*BEGINNING, line(0, "start"), line(2, "end")],
        [*BEGINNING, line(0, "start"), line(0, "better than pass")],
        [*BEGINNING, line(2, "end")],
        [*BEGINNING, line(2, "start")],
        [*BEGINNING, line(-5, "start")],
        [*BEGINNING, line(10**17, "start")],
        [*BEGINNING, line(0, "start", token="other")],
        [*BEGINNING, b"passed\n"],
        [*BEGINNING, b"\n"],
        [*BEGINNING, f"{TOKEN} 0 start 5 !!!\n".encode()],
        [*BEGINNING, f"{TOKEN} 0 st\xe4rt 5 \n".encode()],
        [*BEGINNING, f"{TOKEN} {'9' * 5000} start 5 \n".encode()],
        [line(-1, "ready"), line(-1, "missing"), line(0, "start")],
        [line(-1, "ready"), line(-1, "load_well")],
    ],
    ids=range(22),
)
def test_anything_else_is_not_legal(wrong: list[bytes]) -> None:
    assert not parse_lines(b"".join(wrong), TOKEN, 2).is_legal


def test_a_solution_that_does_not_load_has_no_tests() -> None:
    said = [line(-1, "ready"), line(-1, "load_error", "\0\0\0SyntaxError"), line(2, "end")]
    lines = parse_lines(b"".join(said), TOKEN, 2)
    assert lines.is_legal
    assert lines.ended
    assert lines.loading_line.text == "SyntaxError"
    assert [test.status for test in lines.tests] == ["not_reached", "not_reached"]


def test_texts_are_bounded() -> None:
    said = [*BEGINNING, line(0, "start"), line(0, "error", "\0\0\0" + "x" * 100_000)]
    assert len(parse_lines(b"".join(said), TOKEN, 1).tests[0].text) == 1000


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_no_bytes_break_it(content: bytes) -> None:
    lines = parse_lines(content, TOKEN, 3)
    assert not lines.ended
    assert len(lines.tests) == 3


@given(st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_only_the_sequence_itself_passes(random: Random) -> None:
    said = list(WHOLE)
    said[random.randrange(len(said))] = random.choice(WHOLE)
    random.shuffle(said)
    lines = parse_lines(b"".join(said), TOKEN, 2)
    is_whole = lines.is_legal and lines.ended
    assert is_whole == (said == WHOLE)
