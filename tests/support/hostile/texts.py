"""Hostile answers: what models fall into when they repeat themselves, and texts made to hurt."""

from collections.abc import Mapping

from tests.support.hostile.kinds import Hostile, answer_text

KB = 1000
_BARE = "def NAME(value):\n    return value\n"
_CODE = f"```python\n{_BARE}```\n"

# Each made a pattern of an extractor grow faster than its text.
MADE_TO_HURT: Mapping[str, str] = {
    "300 KB after a channel's start": "<|channel|>" + "a" * 300 * KB,
    "300 KB of blanks after a channel's start": "<|channel|>" + " " * 300 * KB + "!",
    "channels that never end": "<|channel|>analysis" * 15 * KB,
    "quote marks times lines": ("> " * 3 * KB + "\n") * 100,
    "quoted fences": ("> " * KB + "```\n") * 300 + _CODE,
    "blanks in a prompt": ">>> a\n" + " " * 60 * KB + "!\n>>> b\n",
    "blanks between prompts": (">>>" + " " * 2 * KB + "\n") * 100,
    "prompts without end": ">>> " * 75 * KB,
    "continued prompts": "... " * 75 * KB,
    "a fence's label of 300 KB": "```" + "python " * 43 * KB + "\n" + _CODE,
    "blanks after a fence": "```" + " " * 300 * KB + "python\n" + _CODE,
    "code in a fence's label": "```python " + "def NAME(x): " * 20 * KB + "\n```\n",
    "a label of 300 KB": "Solution" + " solution" * 30 * KB + ":\n" + _CODE,
    "numbers before lines": "".join(f"{n}  \n" for n in range(40 * KB)),
    "one number and blanks": "1" + " " * 300 * KB + "def NAME(x): return x",
    "dots after numbers": "1." * 150 * KB,
    "blanks before def": " " * 300 * KB + "def NAME(x): return x",
    "tabs and blanks": "\t " * 150 * KB + "x",
    "no words": "_" * 300 * KB,
    "colons": ":" * 300 * KB,
    "backslashes": "\\" * 300 * KB,
    "line ends of every kind": "\r\n\r\x0b\x0c\x1c\x85\u2028\u2029" * 30 * KB,
    "blank lines": "\n" * 300 * KB,
    "blank lines with blanks": " \n" * 150 * KB,
    "starts of statements": "if for while with try def class " * 10 * KB,
    "statements with commas": "a, " * 100 * KB + "= 1",
    "brackets that go on": "x = [\n" * 50 * KB,
    "strings that go on": "x = '''\n" * 40 * KB,
    "strings that never end": "x = '" * 60 * KB,
    "thinking in thinking": "<think>" * 40 * KB + "</think>" * 40 * KB + _CODE,
    "thinking ends without end": "</think>\n" * 30 * KB + _CODE,
    "tags": "<code>" * 50 * KB,
    "entities": "&lt;&amp;" * 30 * KB,
    "JSON with code": '{"code": "' * 30 * KB,
    "boxes": "\\boxed{" * 40 * KB,
    "LaTeX": "\\begin{lstlisting}" * 16 * KB,
    "diffs": "@@ -1 +1 @@\n-a\n+a\n" * 15 * KB,
    "a table": "| a | b |\n|---|---|\n" * 15 * KB,
    "7 MB of one letter": "a" * 7_000_000,
    "7 MB of code": "```python\ndef NAME(value):\n" + "    value += 1\n" * 450_000 + "```",
    "7 MB of blanks and a solution": " " * 7_000_000 + "\n" + _CODE,
    "NUL and controls": "\0\x01\x02\x1b[2J\x1b]0;owned\x07" * 10 * KB + _CODE,
    "right to left": "\u202e\u2066\u2069" * 50 * KB + _CODE,
    "combining marks": "e" + "\u0301" * 200 * KB + "\n" + _CODE,
    "emoji": "\U0001f469\u200d\U0001f4bb" * 30 * KB,
    "a lone surrogate": "\ud800" * 10 * KB + _CODE,
    "no answer": "",
    "one blank": " ",
}

# Each before 60 KB of blanks and a sign: patterns with two ways to take a blank look far.
BEFORE_BLANKS = (
    *("a:", "a: int", "a: list[", "a.b[", "import a", "import a,", "from a import b", "class A"),
    *(
        "def f",
        "async",
        "@a(",
        "if a:",
        "else",
        "assert",
        "f()",
        "code:",
        "python",
        "1",
        "1.",
        ">>>",
    ),
    *(
        "In [1]:",
        "```python",
        "```",
        "~~~",
        "> ",
        "- ",
        "<s>",
        "x</s>",
        "<think>",
        "assistant",
        "+",
    ),
    *("<|start|>", "<|channel|>", "\\boxed{", '"', "{", "&", "Option 1:", "Here it is:", "#", "`a"),
)

# What a model says when it cannot stop.
REPEATED: Mapping[str, str] = {
    "one token": " the" * 75 * KB,
    "one letter": "a" * 300 * KB,
    "one line": "I will now write the function.\n" * 10 * KB,
    "one line in a fence": "```python\ndef NAME(value):\n" + "    # TODO: think\n" * 15 * KB,
    "one statement": "```python\ndef NAME(value):\n" + "    value = value + 1\n" * 12 * KB + "```",
    "one fence": _CODE * 5 * KB,
    "open fences": "```python\n" * 30 * KB,
    "backticks": "`" * 300 * KB,
    "inline code": "`NAME` " * 40 * KB,
    "nested lists": "".join("  " * (n % 400) + "- item\n" for n in range(700)),
    "list items": "- NAME(value)\n" * 20 * KB,
    "headings": "### Step\n" * 30 * KB,
    "bold": "**" * 150 * KB,
    "apologies": "I apologize for the confusion. Here is the corrected code:\n\n" + _CODE * 3 * KB,
    "def f": "def f" * 10 * KB,
    "def lines": "def NAME(value):\n" * 15 * KB,
    "functions": "def NAME(value):\n    return value\n\n" * 7 * KB,
    "functions with numbers": "".join(
        f"def step_{n}(value):\n    return value + {n}\n\n" for n in range(6 * KB)
    ),
    "imports": "import os\n" * 30 * KB,
    "numbered imports": "".join(f"import module_{n}\n" for n in range(15 * KB)),
    "docstrings": '"""' * 100 * KB,
    "comments": "# " * 150 * KB,
    "assertions": "assert NAME(1) == 1\n" * 15 * KB,
    "prints": 'print("ok")\n' * 25 * KB,
    "thinking": "<think>\nWait, let me reconsider.\n" * 9 * KB,
    "thinking, and an answer": "<think>" + "Wait. " * 50 * KB + "</think>\n" + _CODE,
    "ends of a turn": "<|im_end|>" * 30 * KB,
    "an alphabet": "".join(map(chr, range(32, 127))) * 3 * KB,
    "tracebacks of a REPL": ">>> NAME(1)\n1\n" * 20 * KB,
    "growing lines": "".join("x" * n + "\n" for n in range(800)),
}


def hostile_texts() -> list[Hostile]:
    """Return all of them."""
    made = [answer_text(f"text: {name}", text) for name, text in MADE_TO_HURT.items()]
    blanks = [
        answer_text(f"60 KB of blanks after {start!r}", f"{start}{' ' * 60 * KB}!\n{_BARE}")
        for start in BEFORE_BLANKS
    ]
    return (
        made + blanks + [answer_text(f"repeated: {name}", text) for name, text in REPEATED.items()]
    )
