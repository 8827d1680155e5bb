"""Pattern -> texts that are hard on it, of any length: a start, one unit over and over, an end.

The units are made of the characters that the pattern tells apart, one of each kind, of the words
in it, and of what it has matched up to each of its parts. The starts are the latter: the text that
leads a matcher to a part of the pattern, so that the unit keeps it there, and the end lets it fail.
"""

import importlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_parser: Any = importlib.import_module("re._parser")
_compiler: Any = importlib.import_module("re._compiler")

_CHARACTERS = (
    " \t\n\rx_Ae1`~'\"#*+-/=<>()[]{}|\\.,:;!?@$&%^\0"
    "\u00a0\u00e9\u3002\u4e00\u200b\ufeff\u25c1\uff5c\u2581\x1b"
)
_ENDS = ("", "\n", "\0", "\n\0")
_ONE_CHARACTER = ("LITERAL", "NOT_LITERAL", "IN", "ANY")


@dataclass(frozen=True, slots=True)
class HardText:
    """A text that grows."""

    start: str
    unit: str
    end: str

    def of(self, characters: int) -> str:
        """Return it with so many characters between its start and its end, or one unit fewer."""
        return self.start + self.unit * max(1, characters // len(self.unit)) + self.end


def hard_texts(pattern: re.Pattern[str], count: int, chance: random.Random) -> list[HardText]:
    """Return so many texts at most: the likeliest first, and a choice of all others.

    Those are one character over and over, and each repeat of the pattern kept at its repeating.
    """
    tree = _parser.parse(pattern.pattern, pattern.flags)
    characters = _kinds_of_characters(tree, pattern.flags)
    starts = list(dict.fromkeys(["", *_ways_into(list(tree))]))
    repeats = list(_repeats(list(tree), "", characters))
    pairs = [first + second for first in characters for second in characters if first != second]
    longer = [start + character for start in starts if start for character in characters]
    plain = [HardText("", unit, end) for unit in characters for end in ("", "\n\0")]
    kept = [HardText(start, unit, end) for start, unit in repeats for end in ("", "\n\0")]
    again = [HardText("", start + unit, "\n\0") for start, unit in repeats]
    others = [
        HardText(start, unit, end) for start in starts for unit in characters for end in _ENDS
    ]
    others += [HardText("", unit, end) for unit in (*starts, *longer) if unit for end in _ENDS]
    others += [HardText("", unit, "\n\0") for unit in pairs]
    chance.shuffle(others)
    return list(dict.fromkeys([*plain, *kept, *again, *others]))[:count]


def _kinds_of_characters(tree: Any, flags: int) -> list[str]:
    """Return one character of each kind that the pattern's sets tell apart."""
    leaves = [_real(leaf, flags, tree.state) for leaf in _leaves(tree)]
    word = re.compile(r"\w")
    kinds: dict[tuple[bool, ...], str] = {}
    for character in _CHARACTERS + "".join(sorted(_literals(tree))):
        kind = tuple(leaf.fullmatch(character) is not None for leaf in [word, *leaves])
        kinds.setdefault(kind, character)
    return list(kinds.values())


def _real(node: Any, flags: int, state: Any) -> re.Pattern[str]:
    compiled: re.Pattern[str] = _compiler.compile(_parser.SubPattern(state, [node]), flags)
    return compiled


def _parts(node: Any) -> list[Any]:
    """Return the sequences of nodes inside a node."""
    match str(node[0]):
        case "BRANCH":
            return list(node[1][1])
        case "SUBPATTERN":
            return [node[1][3]]
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return [node[1][2]]
        case "ASSERT" | "ASSERT_NOT":
            return [node[1][1]]
        case "ATOMIC_GROUP":
            return [node[1]]
        case _:
            return []


def _leaves(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        if str(node[0]) in _ONE_CHARACTER:
            yield node
        for part in _parts(node):
            yield from _leaves(part)


def _literals(nodes: Any) -> set[str]:
    return {chr(node[1]) for node in _leaves(nodes) if str(node[0]) == "LITERAL"}


def _ways_into(nodes: Any) -> Iterator[str]:
    """Yield the shortest text up to each part of a sequence, and into it."""
    before = ""
    for node in nodes:
        for part in _parts(node):
            for inner in _ways_into(part):
                yield before + inner
        before += _sample(node)
        yield before


def _repeats(nodes: Any, before: str, characters: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the text up to each repeat, and what it may repeat; two characters of a set."""
    for node in nodes:
        for part in _parts(node):
            yield from _repeats(part, before, characters)
        if str(node[0]).endswith("REPEAT") and node[1][1] > 2:
            part = node[1][2]
            if len(part) == 1 and str(part[0][0]) in _ONE_CHARACTER:
                leaf = _real(part[0], 0, _parser.State())
                kept = [character for character in characters if leaf.fullmatch(character)]
                yield from ((before, character) for character in (*kept[:1], *kept[1:][-1:]))
            else:
                yield before, "".join(map(_sample, part))
        before += _sample(node)


def _sample(node: Any) -> str:
    """Return a short text that the node matches, repeats taken once."""
    kind, value = str(node[0]), node[1]
    if kind == "LITERAL":
        return chr(value)
    if kind in _ONE_CHARACTER:
        leaf = _real(node, 0, _parser.State())
        return next(filter(leaf.fullmatch, "x 1\n" + _CHARACTERS), "")
    if kind.endswith("REPEAT"):
        return "".join(map(_sample, value[2])) * max(1, int(value[0]))
    if kind in ("BRANCH", "SUBPATTERN", "ATOMIC_GROUP"):
        return "".join(map(_sample, _parts(node)[0]))
    return ""
