"""Every reply of the corpus yields exactly its code, and the code works."""

import json
import subprocess
import sys

import pytest

from processors.extraction.code_candidates import Extraction, extract_code
from processors.response_validator import ResponseValidator
from tests.processors.extraction_corpus.cases import Case, load_cases

CASES = load_cases()
READS_NEWER = sys.version_info >= (3, 12)  # type parameters, PEP 695
RUN = """
import json, sys, warnings
warnings.simplefilter("ignore")
failures = []
for title, code, call in json.load(sys.stdin):
    scope = {"__name__": "solution", "asyncio": __import__("asyncio")}
    try:
        exec(code, scope)
        if not eval(call, scope):
            failures.append([title, "false"])
    except Exception as error:
        failures.append([title, repr(error)])
print(json.dumps(failures))
"""


def extracted(case: Case) -> Extraction:
    cut = case.keys.get("finish") == "length"
    return extract_code(case.reply, case.name, truncated_reply=cut)


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_reply(case: Case) -> None:
    found = extracted(case)
    assert found.code == (case.code or "")
    verdict = ResponseValidator().validate(found.code, case.name)
    is_read = case.expect == "code" or (case.expect == "newer" and READS_NEWER)
    assert verdict.is_fully_valid == is_read
    if case.expect == "newer":
        assert verdict.syntax.kind == (None if READS_NEWER else "newer_syntax")
    if "method" in case.keys:
        assert found.method == case.keys["method"]
    assert found.truncated == (case.keys.get("truncated") == "yes")
    if "ambiguous" in case.keys:
        assert found.ambiguous == (case.keys["ambiguous"] == "yes")


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_lines_stand_in_the_reply(case: Case) -> None:
    """Nothing is invented: each line is one of the reply's, escapes of JSON and HTML read."""
    reply = case.reply + case.reply.replace("\\n", "\n").replace("&lt;", "<").replace("&gt;", ">")
    for hidden in ("\u200b", "\x1b[32m", "\x1b[0m"):
        reply = reply.replace(hidden, "")
    for line in extracted(case).code.replace("\u200b", "").split("\n"):
        assert line.strip() in reply


def test_code_works() -> None:
    jobs = [
        (case.title, extracted(case).code, case.keys["call"])
        for case in CASES
        if case.expect == "code"
    ]
    ran = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(ran.stdout) == []


def test_span_is_where_the_code_stands() -> None:
    exact = 0
    for case in CASES:
        found = extracted(case)
        if found.span is None:
            continue
        stretch = case.reply[found.span[0] : found.span[1]]
        first, last = found.code.split("\n")[0].split()[0], found.code.split("\n")[-1].split()[-1]
        assert stretch.lstrip("\x1b[32m").startswith(first[:3]) or found.method in ("repl", "fence")
        assert stretch.rstrip().endswith(last[-1]) or found.method == "tags"
        exact += stretch == found.code
    assert exact > 150


def test_corpus_is_large_and_each_case_says_what_it_expects() -> None:
    assert len(CASES) >= 150
    assert len({case.title for case in CASES}) == len(CASES)
    for case in CASES:
        assert (case.expect == "none") == (case.code is None)
        assert (case.expect == "code") == ("call" in case.keys)
