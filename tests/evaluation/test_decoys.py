"""Decoys: like their tests, with another answer; and never one that the test's answer passes."""

import ast
from random import Random
from typing import Literal

import pytest

from evaluation.decoys import decoys_of
from evaluation.sent_tests import plain_test, to_source
from prompts.problems import TestCase


def assertions(ctx: str, assertion: str, seed: int = 1) -> list[tuple[str, bool]]:
    test = plain_test(TestCase(assertion=assertion, ctx=ctx))
    part: Literal["ctx", "assertion"] = "ctx" if ctx else "assertion"
    return [(plain(decoy.source[part]), decoy.is_weak) for decoy in decoys_of(test, Random(seed))]


def plain(source: str) -> str:
    """Return a sent test without the names of its sides."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            node.left, *node.comparators = [
                side.value if isinstance(side, ast.NamedExpr) else side for side in sides
            ]
    return ast.unparse(tree)


@pytest.mark.parametrize(
    "answer",
    ["3", "-3", "0", "2.5", "1j", "True", "None", "'abc'", "''", "b'x'", "[1, 'a']", "[]", "(1,)",
     "()", "{'a': 1}", "{}", "{1, 2}", "[[1], {'a': (2,)}]", "..."],
)  # fmt: skip
def test_the_answer_is_another_one(answer: str) -> None:
    for seed in range(20):
        ((text, is_weak),) = assertions("", f"func(7) == {answer}", seed)
        assert not is_weak
        left, _, changed = text.partition(" == ")
        assert left == "func(7)"
        assert ast.literal_eval(changed) != ast.literal_eval(answer)


def test_one_operand_of_several_is_changed() -> None:
    texts = [text for text, _ in assertions("", "func(1) == 1 and func(2) == 4 and func(x)")]
    assert len(texts) == 2
    assert sum("func(1) == 1 " in text for text in texts) == 1
    assert sum("func(2) == 4 " in text for text in texts) == 1


def test_asserts_in_ctx_are_changed_before_what_calls_them() -> None:
    ctx = "def check(c):\n    assert c(1) == 1\n    assert abs(c(2) - 4.0) < 1e-6\n"
    changed = assertions(ctx, "check(func) is None")
    assert len(changed) == 2
    assert all(not is_weak for _, is_weak in changed)
    assert sum("c(1) == 1" in text for text, _ in changed) == 1
    assert sum("c(2) - 4.5" in text for text, _ in changed) == 1


@pytest.mark.parametrize("assertion", ["func(1) == func(2)", "func(1)", "all(func(1))"])
def test_without_an_answer_that_is_spelled_out_the_test_is_negated(assertion: str) -> None:
    ((text, is_weak),) = assertions("", assertion)
    assert is_weak
    assert text in (f"not {assertion}", f"not ({assertion})")


def test_a_decoy_looks_like_its_test() -> None:
    test = plain_test(TestCase(assertion="func( 3 )==  9", ctx="x=1   # why"))
    decoy = decoys_of(test, Random(1))[0]
    sent = to_source(test.trees(), ())
    assert sent["assertion"] == "(_left_ := func(3)) == (_right_ := 9)"
    assert sent["ctx"] == decoy.source["ctx"] == "x = 1"
    assert decoy.source["assertion"].startswith("(_left_ := func(3)) == (_right_ := ")


def test_equal_seeds_give_equal_decoys() -> None:
    test = plain_test(TestCase(assertion="func(1) == [1, 2]", ctx="assert func(2) == {2: 2}"))
    first, again = decoys_of(test, Random(1)), decoys_of(test, Random(1))
    assert [decoy.source for decoy in first] == [decoy.source for decoy in again]
