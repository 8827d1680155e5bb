"""Replies that are hard on whoever reads them, as models send them that fall into repetition."""

import random

from tests.processors.extraction_corpus.hostile import UNITS, WRAPS, hostile_text

_CHARACTERS = (20_000, 100_000, 500_000, 2_000_000, 7_500_000)


def hostile_replies(count: int, seed: int = 1) -> list[str]:
    """Return so many: units over and over, of many lengths, and code that grows in a compiler."""
    chance = random.Random(seed)
    units = [*UNITS]
    chance.shuffle(units)
    texts = [
        *_GROWING,
        *(
            hostile_text(unit, chance.choice([*WRAPS]), chance.choice(_CHARACTERS))
            for unit in units
        ),
    ]
    return [texts[number % len(texts)] for number in range(count)]


def _nested_finally(levels: int) -> str:
    lines = ["def solve(x):"]
    for level in range(levels):
        lines.append(f"{' ' * (level + 1)}try: return x")
        lines.append(f"{' ' * (level + 1)}finally:")
    return "\n".join([*lines, " " * (levels + 1) + "x += 1", ""])


_GROWING = [
    "a:" + " " * 60_000,
    "<|channel|>" * 27_000,
    "def solve(x):\n    try:\n" + "        return x\n" * 20_000 + "    finally:\n        x = 1\n",
    _nested_finally(20),
    "def solve(x): return " + "(" * 100_000,
    "def solve(x): return " + "-" * 100_000 + "x",
    "def solve(x): return " + " + ".join(["x"] * 200_000),
    "from " + "a" * 200_000 + " import " + ", ".join(f"b{n}" for n in range(20_000)) + "\n",
    '"""\n' * 100_000,
    ">>> \n" + " " * 200_000 + "x",
]
