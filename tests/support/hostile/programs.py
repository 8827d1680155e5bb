"""Hostile code: Python that takes a compiler, a parser or a reader of it too long or too far."""

from collections.abc import Mapping

from tests.support.hostile.kinds import Hostile, answer_text

KB = 1000


def _finally(levels: int, body: str = "pass") -> str:
    lines = ["def NAME(value):"]
    for level in range(1, levels + 1):
        lines += ["    " * level + "try:", "    " * (level + 1) + "pass"]
        lines += ["    " * level + "finally:"]
    return "\n".join([*lines, "    " * (levels + 1) + body])


def _returns(count: int, lines: int) -> str:
    body = "".join(f"        if value == {n}:\n            return {n}\n" for n in range(count))
    last = "        value += 1\n" * lines
    return f"def NAME(value):\n    try:\n{body}    finally:\n{last}"


def _nested(line: str, levels: int, last: str = "pass") -> str:
    return "".join("    " * n + line + "\n" for n in range(levels)) + "    " * levels + last


CODE: Mapping[str, str] = {
    "24 nested finally": _finally(24),
    "a fat body under twelve finally": _finally(12, "; ".join(["value += 1"] * 2 * KB)),
    "3,000 returns under a large finally": _returns(3 * KB, 300),
    "19 nested with": _nested("with a as b:", 19),
    "9**9**9": "def NAME(value):\n    return 9**9**9**9",
    "a text times 10**10": "def NAME(value):\n    return 'a' * 10**10",
    "a tuple times 10**9": "NAME = (0,) * 10**4 * 10**4",
    "a shift": "NAME = 1 << 10**12",
    "folding in a loop": "NAME = [" + "'ab' * 2000, " * 5 * KB + "]",
    "brackets, 100 KB": "NAME = " + "(" * 100 * KB,
    "brackets, closed": "NAME = " + "(" * 50 * KB + ")" * 50 * KB,
    "brackets, 90 deep": "NAME = " + "[" * 90 + "]" * 90,
    "brackets, 190 deep": "NAME = " + "[" * 190 + "]" * 190,
    "brackets of three kinds": "NAME = " + "([{" * 30 * KB,
    "minus signs": "NAME = " + "-" * 100 * KB + "1",
    "nots": "NAME = " + "not " * 25 * KB + "1",
    "tildes": "NAME = " + "~" * 3 * KB + "1",
    "sums": "NAME = " + "1+" * 50 * KB + "1",
    "sums, in brackets": "NAME = " + "(1+" * 3 * KB + "1" + ")" * 3 * KB,
    "powers": "NAME = " + "2**" * 5 * KB + "1",
    "comparisons": "NAME = " + "1<" * 50 * KB + "2",
    "ands": "NAME = " + "a and " * 20 * KB + "b",
    "conditions": "NAME = " + "1 if a else " * 20 * KB + "2",
    "attributes": "NAME = a" + ".b" * 50 * KB,
    "calls": "NAME = a" + "()" * 50 * KB,
    "calls in calls": "NAME = " + "f(" * 5 * KB + ")" * 5 * KB,
    "indices": "NAME = a" + "[0]" * 30 * KB,
    "lambdas": "NAME = " + "lambda: " * 15 * KB + "0",
    "awaits": "async def NAME(value):\n    return " + "await " * 20 * KB + "value",
    "yields": "def NAME(value):\n    return " + "(yield " * 2 * KB + ")" * 2 * KB,
    "comprehensions": "NAME = " + "[x for x in " * 5 * KB + "y" + "]" * 5 * KB,
    "fors in a comprehension": "NAME = [x" + " for x in y" * 10 * KB + "]",
    "stars": "NAME = [" + "*" * 50 * KB + "a]",
    "walrus": "NAME = " + "(a := " * 5 * KB + "1" + ")" * 5 * KB,
    "assignments": "NAME = " + "a = " * 30 * KB + "1",
    "a name of 300 KB": "NAME = " + "a" * 300 * KB,
    "globals": "def NAME(value):\n" + "    global a\n" * 20 * KB,
    "nonlocals in functions": _nested("def NAME(value):", 95, "nonlocal value"),
    "functions in functions": _nested("def NAME(value):", 1500),
    "classes in classes": _nested("class NAME:", 90),
    "ifs in ifs": _nested("if a:", 99),
    "elifs": "def NAME(value):\n    if 1:\n        pass\n" + "    elif 2:\n        pass\n" * 6 * KB,
    "fors": _nested("for a in b:", 19),
    "tries": _nested("try:", 1 * KB),
    "excepts": "try:\n    pass\n" + "except A:\n    pass\n" * 12 * KB,
    "decorators": "@a\n" * 50 * KB + "def NAME(value):\n    return value",
    "parameters": "def NAME(" + ", ".join(f"a{n}" for n in range(30 * KB)) + "): return a0",
    "one parameter often": "def NAME(" + "a, " * 30 * KB + "): return a",
    "annotations": "NAME: " + "list[" * 3 * KB + "int" + "]" * 3 * KB,
    "type parameters": "def NAME[" + "T, " * 20 * KB + "](value: T) -> T: return value",
    "a pattern of lists": "match a:\n    case " + "[" * 3 * KB + "]" * 3 * KB + ":\n        pass",
    "a pattern of ors": "match a:\n    case " + "1 | " * 20 * KB + "1:\n        pass",
    "cases": "match a:\n" + "    case {'a': [b, *c]}:\n        pass\n" * 6 * KB,
    "formatted strings in each other": "NAME = f'{f\"{f\\'{1}\\'}\"}'",
    "formatted strings, nested": "NAME = " + 'f"{' * 10 * KB + "1" + '}"' * 10 * KB,
    "formatted strings without end": "NAME = " + "f'{" * 50 * KB,
    "braces in a formatted string": "NAME = f'" + "{{" * 100 * KB + "'",
    "fields in a formatted string": "NAME = f'" + "{a}" * 50 * KB + "'",
    "formats in formats": "NAME = f'" + "{a:" * 2 * KB + "}" * 2 * KB + "'",
    "strings side by side": "NAME = " + "'a' " * 50 * KB,
    "escapes": "NAME = '" + "\\N{DIGIT ONE}" * 15 * KB + "'",
    "wrong escapes": "NAME = '" + "\\d" * 100 * KB + "'",
    "an int of 100 KB": "NAME = " + "9" * 100 * KB,
    "a hex int of 300 KB": "NAME = 0x" + "f" * 300 * KB,
    "a float of 100 KB": "NAME = 1" + "0" * 100 * KB + ".0e-99999",
    "a complex number": "NAME = 1" + "0" * 100 * KB + "j",
    "NUL": "def NAME(value):\n    return '\0'\n\0\0",
    "a coding line": "# coding: zlib\ndef NAME(value): return value",
    "a coding line that is none": "# -*- coding: no_such -*-\ndef NAME(value): return value",
    "form feeds": "\f" * 100 * KB + "def NAME(value): return value",
    "tabs against blanks": "if 1:\n" + "\tif 1:\n        pass\n" * 10 * KB,
    "backslashes at line ends": "NAME = 1 " + "\\\n" * 50 * KB,
    "semicolons": "NAME = 1" + "; a" * 50 * KB,
    "blank statements": "NAME = 1" + ";" * 100 * KB,
    "names beyond ASCII": "def \u0274ame(\u017f): return \u017f\nNAME = \uff4e\uff41\uff4d\uff45",
    "names that turn round": "NAME = 1 # \u202e }\u2066if a\u2069 \u2066 begin",
    "names with steering signs": "class \x1b[31mNAME: pass\ndef NAME(\x07): pass",
    "a name of marks": "NAME = a" + "\u0301" * 50 * KB,
    "invisible blanks": "def\u00a0NAME(value):\u200b\n\u3000return value",
    "a bomb of names": "".join(f"a{n} = a{n - 1}, a{n - 1}\n" for n in range(1, 6 * KB)),
    "a recursion": "def NAME(value): return NAME(value)\nNAME(1)",
    "an exit": "import os, sys\nos._exit(3)\nsys.exit(3)\ndef NAME(value): return value",
    "a loop": "while True: pass\ndef NAME(value): return value",
    "a __build_class__": "__builtins__.__build_class__ = None\nclass NAME: pass",
    "returns out of place": "return 1\n" * 10 * KB + "def NAME(value): return value",
    "breaks out of place": "def NAME(value):\n" + "    break\n" * 10 * KB,
    "deletions": "NAME = 1\n" + "del NAME\n" * 15 * KB,
    "an assert of a tuple": "assert (" + "1, " * 50 * KB + ")\nNAME = 1",
    "deep blocks": "".join(" " * n + "if 1:\n" for n in range(700)),
    "print 2": "print 'a'\n" * 15 * KB + "def NAME(value): return value",
    "a star import": "from a import *\n" * 10 * KB + "def NAME(value): return value",
    "futures": "from __future__ import annotations\n" * 5 * KB + "NAME = 1",
    "__debug__": "__debug__ = 1\nNAME = None = True = 1",
}


def hostile_code() -> list[Hostile]:
    """Return each in a fence; a third of them bare."""
    kinds = []
    for number, (name, code) in enumerate(CODE.items()):
        text = code if number % 3 == 2 else f"Here it is:\n\n```python\n{code}\n```\n"
        kinds.append(answer_text(f"code: {name}", text))
    return kinds
