"""The verdict on extracted code: guide.md's shape, one parse, never a crash."""

import sys

import msgspec
import pytest

from processors.response_validator import ResponseValidator, Validation

VALIDATOR = ResponseValidator()
NEWER_THAN_311 = sys.version_info < (3, 12)


def test_the_shape_that_the_guide_prints() -> None:
    code = (
        "from dataclasses import dataclass\n\n@dataclass\nclass SimpleData:\n    a: str\n    x: int"
    )
    verdict = msgspec.to_builtins(VALIDATOR.validate(code, "SimpleData", "class"))
    assert verdict["is_fully_valid"] is True
    assert verdict["syntax"] == {"is_valid": True, "error": None, "line": None, "kind": None}
    assert verdict["structure"] == {
        "has_expected_name": True,
        "found_names": ["SimpleData"],
        "expected_kind": "class",
        "object_matches": True,
    }
    assert verdict["imports"]["has_imports"] is True
    assert verdict["imports"]["from_imports"] == ["dataclasses.dataclass"]
    assert (verdict["code_length"], verdict["line_count"]) == (len(code), 6)


def test_json_and_back() -> None:
    verdict = VALIDATOR.validate("def f(:", "f")
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Validation) == verdict


def test_an_error_has_a_line() -> None:
    syntax = VALIDATOR.validate("x = 1\ndef f(:\n    pass", "f").syntax
    assert (syntax.is_valid, syntax.line, syntax.kind) == (False, 2, "broken")
    assert syntax.error


@pytest.mark.parametrize(
    ("code", "found", "kind"),
    [
        ("def f(): pass", True, "function"),
        ("async def f(): pass", True, "async function"),
        ("class f: pass", True, "class"),
        ("f = lambda: 1", True, "function"),
        ("f = make()", True, "value"),
        ("a, (f, *b) = make()", True, "value"),
        ("f: int = 1", True, "value"),
        ("f: int", False, None),
        ("try:\n    import x\nexcept ImportError:\n    def f(): pass", True, "function"),
        ("if True:\n    class f: pass", True, "class"),
        ("from math import gcd as f", True, "import"),
        ("from solution import f", False, None),
        ("class A:\n    def f(self): pass", False, None),
        ("def g():\n    def f(): pass", False, None),
        ("f()", False, None),
    ],
)
def test_expected_name_at_top_level_only(code: str, found: bool, kind: str | None) -> None:
    structure = VALIDATOR.validate(code, "f").structure
    assert (structure.has_expected_name, structure.expected_kind) == (found, kind)


def test_found_names_in_order_each_once() -> None:
    code = "import os\nX = 1\ndef f(): pass\nX = 2\nclass A:\n    y = 1"
    assert VALIDATOR.validate(code, None).structure.found_names == ["X", "f", "A"]


@pytest.mark.parametrize(
    ("code", "expected", "matches"),
    [
        ("def f(): pass", "function", True),
        ("def f(): pass", "class", False),
        ("class f: pass", "class", True),
        ("class f: pass", "function", False),
        ("async def f(): pass", "function", True),
        ("f = namedtuple('f', 'x')", "class", None),
    ],
)
def test_object(code: str, expected: str, matches: bool | None) -> None:
    verdict = VALIDATOR.validate(code, "f", "class" if expected == "class" else "function")
    assert verdict.structure.object_matches is matches
    assert verdict.is_fully_valid == (matches is not False)


def test_imports() -> None:
    code = (
        "import os.path, msgspec\nfrom no_such_package.sub import a as b, c\n"
        "def f():\n    from . import d\n    import os"
    )
    imports = VALIDATOR.validate(code, "f").imports
    assert imports.from_imports == ["no_such_package.sub.a", "no_such_package.sub.c", "..d"]
    assert imports.modules == [".", "msgspec", "no_such_package.sub", "os", "os.path"]
    assert imports.standard_library == ["os"]
    assert imports.third_party == ["msgspec", "no_such_package"]
    assert imports.not_installed == ["no_such_package"]


def test_the_projects_own_folders_are_not_installed_packages() -> None:
    assert VALIDATOR.validate("import processors", None).imports.not_installed == ["processors"]


@pytest.mark.parametrize(
    "code",
    [
        "print 'a'",
        "try:\n    pass\nexcept ValueError, e:\n    pass",
        "raise ValueError, 'x'",
        "exec 'a'",
        "def f(x):\nreturn x",
        "return 1",
        "def f():\n    break",
        "def f(a, a): pass",
        "x = 'abc",
        "def f[T:\n    pass",
    ],
)
def test_broken_code(code: str) -> None:
    syntax = VALIDATOR.validate(code, None).syntax
    assert (syntax.is_valid, syntax.kind) == (False, "broken")


@pytest.mark.skipif(not NEWER_THAN_311, reason="this Python reads the syntax")
@pytest.mark.parametrize(
    "code",
    [
        "type f = int",
        "def f[T](x: T) -> T:\n    return x",
        "class f[T, *Ts, **P]:\n    pass",
        "class f[T = int]:\n    pass",
        'def f(x):\n    return f"{x["a"]}"',
        "def f(x):\n    return f'{x}{\"\\n\".join(x)}'",
        "def f():\n    try:\n        pass\n    except TypeError, ValueError:\n        pass",
        'f = t"{1}"',
    ],
)
def test_newer_syntax_is_told_apart(code: str) -> None:
    verdict = VALIDATOR.validate(code, "f")
    assert verdict.syntax.kind == "newer_syntax"
    assert not verdict.is_fully_valid
    assert verdict.structure.has_expected_name


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("x = '\0'", "bad_text"),
        ("x = '\ud800'", "bad_text"),
        ("(" * 1_000 + ")" * 1_000, "too_deep"),
        ("-" * 100_000 + "1", "too_deep"),
        ("not " * 100_000 + "1", "too_deep"),
        ("+".join(["a"] * 100_000), "too_deep"),
        ("a" + ".b" * 100_000, "too_deep"),
        ("a" + "[0]" * 100_000, "too_deep"),
        ("a if b else " * 50_000 + "a", "too_deep"),
        ("lambda: " * 3_000 + "1", None),
        ("if a: pass\n" + "elif a: pass\n" * 20_000, None),
        ("".join(" " * depth + "if x:\n" for depth in range(150)), "too_deep"),
        ("x = " + "9" * 1_000_000, "broken"),
        ("def f[" * 50_000, "too_deep"),
        ('x = f"{' * 50_000, "too_deep"),
        ("x = 1\n" * 300_000, "too_large"),
    ],
)
def test_pathological_code_gets_a_verdict(code: str, kind: str | None) -> None:
    verdict = VALIDATOR.validate(code, "f")
    assert not verdict.is_fully_valid
    assert not verdict.syntax.is_valid
    if kind is not None:
        assert verdict.syntax.kind == kind
    msgspec.json.encode(verdict)


def test_a_huge_hexadecimal_number_is_fine() -> None:
    assert VALIDATOR.validate("x = 0x" + "f" * 100_000, "x").is_fully_valid


def test_warnings_do_not_change_the_verdict() -> None:
    assert VALIDATOR.validate("def f(s):\n    return s.split('\\d') is 'a'", "f").is_fully_valid


def test_nothing_is_run() -> None:
    assert VALIDATOR.validate("f = 1 / 0\nraise SystemExit", "f").is_fully_valid
