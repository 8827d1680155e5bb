"""Decoys: tests with one answer changed; what passes both a test and its decoy gave no answer.

A solution shares an interpreter with its tests, and can in principle say "pass" for them, or answer
with an object that equals everything. It cannot know which of two jobs holds the true tests.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random

from evaluation.inside.run_tests import ChildTest
from evaluation.sent_tests import PlainTest, Trees, to_source

_MOST_A_TEST = 4


@dataclass(frozen=True)
class Decoy:
    """A test that a right solution fails.

    place: which of the asserted comparisons has another answer; None: the test is negated, for
    want of an answer that is spelled out, and an object that equals everything fails it too.
    seed: of the other answer.
    """

    test: PlainTest
    place: int | None
    seed: int

    @property
    def is_weak(self) -> bool:
        return self.place is None

    @cached_property
    def source(self) -> ChildTest:
        """The decoy as it is sent."""
        trees, random = self.test.trees(), Random(self.seed)
        if self.place is None:
            _negate(trees, random)
        else:
            _change(trees, self.place, random)
        return to_source(trees, self.test.keywords)


def decoys_of(test: PlainTest, random: Random) -> list[Decoy]:
    """Return up to four decoys of a test, chosen by chance; the negation where there are no others.

    They are to be tried on the reference solution: one that it passes is no decoy.
    """
    places = _answer_places(test.trees())
    chosen: list[int | None] = [*random.sample(places, min(len(places), _MOST_A_TEST))]
    return [Decoy(test, place, random.getrandbits(32)) for place in chosen or [None]]


def _answer_places(trees: Trees) -> list[int]:
    """Return the numbers, in walking order, of comparisons whose answer is spelled out."""
    in_ctx = sum(1 for _ in _asserted_in_ctx(trees))
    places = [place for place, node in enumerate(_asserted(trees)) if _answer(node) is not None]
    # Where ctx asserts, the assertion only calls it: `check(func) is None`.
    return [place for place in places if place < in_ctx] or places


def _asserted(trees: Trees) -> Iterator[ast.expr]:
    """Yield what a test asserts, operands of `and` one by one: in ctx, then the assertion."""
    yield from _asserted_in_ctx(trees)
    yield from _operands(trees.assertion.body)


def _asserted_in_ctx(trees: Trees) -> Iterator[ast.expr]:
    for node in ast.walk(trees.ctx):
        if isinstance(node, ast.Assert):
            yield from _operands(node.test)


def _operands(test: ast.expr) -> Iterator[ast.expr]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from _operands(value)
    else:
        yield test


def _answer(node: ast.expr) -> ast.expr | None:
    """Return the literal that a comparison holds a value against, None where there is none.

    `abs(value - literal) < small` is one too.
    """
    match node:
        case ast.Compare(ops=[ast.Eq() | ast.Is()], comparators=[answer]) if _is_literal(answer):
            return answer
        case ast.Compare(
            left=ast.Call(
                func=ast.Name("abs") | ast.Attribute(attr="fabs"),
                args=[ast.BinOp(op=ast.Sub(), right=answer)],
            ),
            ops=[ast.Lt() | ast.LtE()],
        ) if _is_literal(answer):
            return answer
        case _:
            return None


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _change(trees: Trees, place: int, random: Random) -> None:
    """Put another answer into one of the asserted comparisons."""
    node = next(node for number, node in enumerate(_asserted(trees)) if number == place)
    answer = _answer(node)
    assert isinstance(node, ast.Compare)
    assert answer is not None
    other = ast.parse(repr(_other(ast.literal_eval(answer), random)), mode="eval").body
    if node.comparators[0] is answer:
        node.comparators = [other]
    elif isinstance(node.left, ast.Call) and isinstance(node.left.args[0], ast.BinOp):
        node.left.args[0].right = other


def _negate(trees: Trees, random: Random) -> None:
    """Turn one of the test's asserts round: in ctx, or else the assertion."""
    asserts = [node for node in ast.walk(trees.ctx) if isinstance(node, ast.Assert)]
    if asserts:
        chosen = random.choice(asserts)
        chosen.test = ast.UnaryOp(ast.Not(), chosen.test)
    else:
        trees.assertion.body = ast.UnaryOp(ast.Not(), trees.assertion.body)


def _other(value: object, random: Random) -> object:
    """Return a value like this one that does not equal it."""
    match value:
        case bool():
            return not value
        case int():
            return value + random.choice((-2, -1, 1, 2))
        case float() | complex():
            return value + 0.5
        case str() | bytes():
            return _other_text(value, random)
        case list():
            return _other_sequence(value, random)
        case tuple():
            return tuple(_other_sequence(list(value), random))
        case dict():
            key = random.choice(list(value)) if value else 0
            return {**value, key: _other(value.get(key), random)}
        case set():
            return {*value, len(value) + random.randrange(10_000, 99_999)}
        case _:
            return 0  # for None and ...


def _other_text(value: str | bytes, random: Random) -> str | bytes:
    if isinstance(value, bytes):
        return value + bytes([random.randrange(97, 123)])
    if not value:
        return random.choice("abcdefgh")
    place = random.randrange(len(value))
    fresh = random.choice([letter for letter in "abcdefgh0123" if letter != value[place]])
    return value[:place] + fresh + value[place + 1 :]


def _other_sequence(value: list[object], random: Random) -> list[object]:
    if not value:
        return [0]
    place = random.randrange(len(value))
    return [*value[:place], _other(value[place], random), *value[place + 1 :]]
