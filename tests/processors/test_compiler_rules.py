"""What the compiler refuses is refused without asking it, and nothing else is.

The compiler is asked here, of small programs and in another process: 21 `async with` inside one
another crash Python 3.12.1. compiler_cases.txt holds a program or two for each rule, with one
thing wrong at most: there the words and the line have to be the compiler's too.
"""

import ast
import builtins
import subprocess
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from processors.response_validator import ResponseValidator
from processors.syntax.compiler_rules import compiler_refusal
from tests.support.ask_compiler import Verdict, compiler_verdicts
from tests.support.command import ROOT
from tests.support.odd_programs import odd_programs

CASES = Path(__file__).with_name("compiler_cases.txt").read_text("utf-8").rstrip("\n")
STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
MEMORY = 1 << 30
PROCESSOR_SECONDS = 30


def nested(head: str, levels: int, inner: str = "pass", tail: str = "") -> str:
    """Return a statement inside itself, so many times."""
    lines = [" " * level + head for level in range(levels)] + [" " * levels + inner]
    lines += [" " * level + tail for level in reversed(range(levels)) if tail]
    return "\n".join(lines) + "\n"


def indented(text: str) -> str:
    return "".join(f" {line}\n" for line in text.splitlines())


def blocks() -> Iterator[str]:
    """Yield programs of blocks in one another: as many as the compiler takes, and more."""
    for levels in (9, 10, 11, 18, 19, 20, 21, 22):
        yield nested("while a:", levels)
        yield nested("for a in b:", levels)
        yield nested("with a:", levels)
        yield "with " + ", ".join(["a"] * levels) + ": pass\n"
        yield "async def f():\n" + indented(nested("async for a in b:", levels))
        yield "def f():\n" + indented(nested("while a:", levels, "yield"))
        yield nested("if a:", levels)
        yield nested("try:", levels, tail="except: pass")
        yield nested("try:", levels, tail="finally: pass")
        yield nested("while a:", levels, "try: pass\n" + " " * levels + "finally: f()")
        yield nested("while a:", levels, "try: pass\n" + " " * levels + "except* A: f()")
        yield nested("while a:", levels, "[x for x in y]")
        yield "async def f():\n" + indented(nested("while a:", levels, "[x async for x in y]"))
        yield "async def f(): return [x " + "async for x in y " * levels + "]\n"


def parsed(program: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(program)
        except SyntaxError:
            return None


def verdicts(programs: Sequence[str]) -> Iterator[tuple[str, Verdict, Verdict]]:
    """Yield program, our verdict and the compiler's, for those that parse."""
    trees = [(program, tree) for program in programs if (tree := parsed(program)) is not None]
    asked = compiler_verdicts([program for program, _ in trees])
    for (program, tree), theirs in zip(trees, asked, strict=True):
        if not isinstance(theirs, str):
            yield program, compiler_refusal(tree), theirs


def test_each_rule_speaks_as_the_compiler_does() -> None:
    found = list(verdicts(CASES.split("\n===\n")))
    assert [case for case in found if case[1] != case[2]] == []
    assert len(found) > 280
    refused = {verdict[0] for _, _, verdict in found if verdict is not None}
    assert len(refused) > 60


def test_blocks_inside_one_another() -> None:
    found = list(verdicts(list(blocks())))
    words = [(program, ours and ours[0], theirs and theirs[0]) for program, ours, theirs in found]
    assert [case for case in words if case[1] != case[2]] == []
    assert {verdict is None for _, _, verdict in found} == {True, False}


def check_odd_programs(seed: int, count: int) -> None:
    make = odd_programs(seed)
    found = list(verdicts([make() for _ in range(count)]))
    assert [case for case in found if (case[1] is None) != (case[2] is None)] == []
    refused = [case for case in found if case[2] is not None]
    assert 0.2 * count < len(refused) < 0.8 * count
    # The others have several things wrong, and another one is named.
    assert sum(ours == theirs for _, ours, theirs in refused) > 0.95 * len(refused)


@pytest.mark.slow
def test_odd_programs() -> None:
    check_odd_programs(seed=1, count=1_000)


@pytest.mark.slow
def test_many_odd_programs() -> None:
    check_odd_programs(seed=2, count=15_000)


def library_files(step: int) -> list[str]:
    files = sorted(STANDARD_LIBRARY.rglob("*.py"))
    own = [file for file in files if "site-packages" not in file.parts]
    return [file.read_text("utf-8", errors="replace") for file in own[::step]]


def check_library(programs: Sequence[str]) -> None:
    found = list(verdicts(programs))
    assert len(found) > 0.9 * len(programs)
    assert [theirs for _, ours, theirs in found if ours != theirs] == []


@pytest.mark.slow
def test_some_of_the_standard_library() -> None:
    check_library(library_files(90))


@pytest.mark.slow
def test_a_quarter_of_the_standard_library() -> None:
    check_library(library_files(4))


def finally_inside_finally(levels: int, body: str) -> str:
    text = body
    for _ in range(levels):
        text = f"try:\n f()\nfinally:\n{indented(text)}"
    return text


BOMBS = {
    "finally in finally": finally_inside_finally(60, "pass\n"),
    "a fat body under twelve": finally_inside_finally(12, "f(a, b)\n" * 2_000),
    "returns before a finally": (
        "def f():\n try:\n" + "  return 1\n" * 5_000 + " finally:\n" + "  g()\n" * 5_000
    ),
    "constants multiplied": "x = " + " * ".join(["1000000007"] * 1_000) + "\n",
    "a power of a power": "x = 9 ** 9 ** 9 ** 9\n" + "y = (2 ** 120) ** 100\n" * 2_000,
    "a long text repeated": "x = 'a' * 4000 * 1000\n" * 2_000,
    "a tuple repeated": "x = (((1,) * 200) * 200) * 200\n" * 2_000,
    "keywords by the thousand": "f(" + ", ".join(f"a{n}=1" for n in range(20_000)) + ")\n",
    "scopes times names": (
        "def f():\n " + "; ".join(f"a{n} = 1" for n in range(8_000))
        + "\n x = [" + "lambda: 0, " * 15_000 + "]\n"
    ),
    "names in a pattern": (
        "match a:\n case [" + ", ".join(f"a{n}" for n in range(15_000)) + "]: b\n"
    ),
    "async with in async with": "async def f():\n" + indented(nested("async with a:", 60)),
}  # fmt: skip
WITHIN_BOUNDS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
from processors.response_validator import ResponseValidator
print(ResponseValidator().validate(sys.stdin.read(), None).syntax.kind)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_code_that_explodes_in_the_compiler_gets_its_verdict(name: str) -> None:
    script = WITHIN_BOUNDS.format(memory=MEMORY, seconds=PROCESSOR_SECONDS)
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        input=BOMBS[name],
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.strip() in ("None", "broken")


def test_the_compiler_is_asked_for_trees_only(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.compile

    def parse_only(source: object, filename: str, mode: str, flags: int = 0, **rest: int) -> object:
        assert flags & ast.PyCF_ONLY_AST
        return real(source, filename, mode, flags, **rest)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "compile", parse_only)
    verdict = ResponseValidator().validate("def f():\n    return 1\nreturn f", "f").syntax
    assert (verdict.error, verdict.line, verdict.kind) == ("'return' outside function", 3, "broken")
