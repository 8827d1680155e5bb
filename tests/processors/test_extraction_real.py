"""A hundred replies that a small model really gave yield what was found in them by hand.

benchmarks/collect_replies.py asked for them. Every reply on which the extractor and the simple
rule below differ was read; its case says who is right, and why.
"""

import ast
import re

import pytest

from processors.extraction.code_candidates import Extraction, extract_code
from processors.response_validator import ResponseValidator
from tests.processors.extraction_corpus.cases import Case, load_real_cases

CASES = load_real_cases()
FENCED = re.compile(r"^```[^\n]*\n(.*?)(?:^```[ \t]*$|\Z)", re.M | re.S)


def simple_rule(case: Case) -> str:
    """Return the longest fenced block that parses and defines the name, "" if there is none."""
    blocks = [block.strip("\n") for block in FENCED.findall(case.reply)]
    return max((block for block in blocks if defines(block, case.name)), key=len, default="")


def defines(block: str, name: str | None) -> bool:
    try:
        body = ast.parse(block).body
    except SyntaxError:
        return False
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return any(isinstance(node, kinds) and node.name == name for node in body)


def extracted(case: Case) -> Extraction:
    return extract_code(case.reply, case.name, truncated_reply=case.keys.get("finish") == "length")


def is_solution(case: Case, code: str) -> bool:
    """Return whether the code parses and defines the name; whether it is right is not asked."""
    return ResponseValidator().validate(code, case.name).is_fully_valid


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_reply(case: Case) -> None:
    found = extracted(case)
    assert found.code == (case.code or "")
    assert found.ambiguous == (case.keys.get("ambiguous") == "yes")
    assert is_solution(case, found.code) == (case.keys["present"] == "yes")
    if case.keys.get("finish") == "length":
        assert found.truncated
    for line in found.code.split("\n"):
        assert line in case.reply


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_every_disagreement_with_the_simple_rule_was_judged(case: Case) -> None:
    ours, simple = extracted(case).code, simple_rule(case)
    differ = ours != simple and (is_solution(case, ours) or simple != "")
    assert differ == ("right" in case.keys)
    if differ:
        assert re.match(r"(?:the extractor|the simple rule|both): ", case.keys["right"])


def test_the_replies_are_many_and_mixed() -> None:
    assert len(CASES) == 100
    assert len({case.title for case in CASES}) == 100
    present = [case for case in CASES if case.keys["present"] == "yes"]
    simple = [case for case in present if simple_rule(case)]
    assert (len(present), len(simple)) == (56, 41)
