"""How many steps a backtracking engine takes for a pattern and a text: counted, never timed.

Python's own engine cannot be asked. So the pattern's parse tree (re._parser's, from which the
engine's own program is built) is turned into a program for a small backtracking machine, which
tries the same alternatives in the same order: a choice leaves the other way on a stack, a failure
takes it up. A step is one instruction, one character of a run (`a*`), or one character given
back; the real engine's time is made of these, to a constant factor. Whether a character is in a
set, or a place is a word's boundary, is asked of the real engine, so flags and categories are
right by construction; test_linear_patterns.py also holds every match against the real engine's.
"""

import importlib
import re
from collections.abc import Iterator
from typing import Any

_parser: Any = importlib.import_module("re._parser")
_compiler: Any = importlib.import_module("re._compiler")

_Node = tuple[Any, Any]
_Registers = tuple[int, ...]
_Instruction = tuple[Any, ...]
_Program = list[_Instruction]

# Instructions, and what stands behind each.
_CHARACTER = 0  # set
_RUN = 1  # set, least, most, how: it gives its characters back from the end, the start, or never
_PLACE = 2  # places
_SPLIT = 3  # where to go on first, and where then
_JUMP = 4  # where to
_SAVE = 5  # register: a group's start or end, or where a round of a loop began
_MOVED = 6  # register: fail where a round of a loop ended where it began
_SAME = 7  # group: its text once more
_INSIDE = 8  # program with a stack of its own, what: atomic, ahead, behind; wanted or not; width
_FAIL = 9

_ONE_CHARACTER = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
_MOST_COPIES = 120  # of a bounded repeat of more than one character


class TooManySteps(Exception):
    """Matching was given up."""


class _Set(dict[str, bool]):
    """Whether a character is in a set, as the real engine has it."""

    def __init__(self, real: re.Pattern[str]) -> None:
        self._real = real

    def __missing__(self, character: str) -> bool:
        found = self[character] = self._real.fullmatch(character) is not None
        return found


class _Builder:
    """Parse tree -> program."""

    def __init__(self, flags: int, state: Any, registers: int) -> None:
        self.flags = flags
        self.state = state
        self.registers = registers
        self.program: _Program = []

    def add(self, nodes: Any) -> None:
        for node in nodes:
            if str(node[0]) in _ONE_CHARACTER:
                self.program.append((_CHARACTER, _Set(self._real(node))))
            else:
                getattr(self, f"_{str(node[0]).lower()}")(node[1])

    def _real(self, node: _Node) -> re.Pattern[str]:
        """Return the real engine's pattern for one leaf of the tree."""
        leaf = _parser.SubPattern(self.state, [node])
        compiled: re.Pattern[str] = _compiler.compile(leaf, self.flags)
        return compiled

    def _failure(self, _: None) -> None:
        self.program.append((_FAIL,))

    def _at(self, place: Any) -> None:
        self.program.append((_PLACE, self._real((_parser.AT, place))))

    def _subpattern(self, node: Any) -> None:
        group, added, removed, part = node
        outer, self.flags = self.flags, (self.flags | added) & ~removed
        if group is not None:
            self.program.append((_SAVE, 2 * group))
        self.add(part)
        if group is not None:
            self.program.append((_SAVE, 2 * group + 1))
        self.flags = outer

    def _branch(self, node: Any) -> None:
        *others, last = node[1]
        jumps: list[int] = []
        for part in others:
            split = self._reserve()
            self.add(part)
            jumps.append(self._reserve())
            self.program[split] = (_SPLIT, split + 1, len(self.program))
        self.add(last)
        for jump in jumps:
            self.program[jump] = (_JUMP, len(self.program))

    def _groupref(self, group: int) -> None:
        self.program.append((_SAME, group, bool(self.flags & re.IGNORECASE)))

    def _assert(self, node: Any, wanted: bool = True) -> None:
        direction, part = node
        width = part.getwidth()[0] if direction < 0 else 0
        kind = "ahead" if direction > 0 else "behind"
        self.program.append((_INSIDE, self._apart(part), kind, wanted, width))

    def _assert_not(self, node: Any) -> None:
        self._assert(node, False)

    def _atomic_group(self, part: Any) -> None:
        self.program.append((_INSIDE, self._apart(part), "atomic", True, 0))

    def _max_repeat(self, node: Any) -> None:
        self._repeat(node, "greedy")

    def _min_repeat(self, node: Any) -> None:
        self._repeat(node, "lazy")

    def _possessive_repeat(self, node: Any) -> None:
        if _is_one_character(node[2]):
            self._repeat(node, "never")
        else:
            greedy = [(_parser.MAX_REPEAT, node)]
            self.program.append((_INSIDE, self._apart(greedy), "atomic", True, 0))

    def _apart(self, nodes: Any) -> _Program:
        inner = _Builder(self.flags, self.state, self.registers)
        inner.add(nodes)
        self.registers = inner.registers
        return inner.program

    def _repeat(self, node: Any, how: str) -> None:
        least, most, part = node
        if _is_one_character(part):
            longest = 10**9 if most is _parser.MAXREPEAT else int(most)
            self.program.append((_RUN, _Set(self._real(part[0])), int(least), longest, how))
            return
        copies = least if most is _parser.MAXREPEAT else most
        assert copies <= _MOST_COPIES, f"{copies} copies of a part: teach this machine to count"
        for _ in range(least):
            self.add(part)
        if most is _parser.MAXREPEAT:
            self._loop(part, is_lazy=how == "lazy")
        else:
            self._optional(most - least, part, is_lazy=how == "lazy")

    def _loop(self, part: Any, *, is_lazy: bool) -> None:
        began, self.registers = self.registers, self.registers + 1
        split = self._reserve()
        self.program.append((_SAVE, began))
        self.add(part)
        self.program += [(_MOVED, began), (_JUMP, split)]
        self.program[split] = _choice(split + 1, len(self.program), is_lazy=is_lazy)

    def _optional(self, copies: int, part: Any, *, is_lazy: bool) -> None:
        splits: list[int] = []
        for _ in range(copies):
            splits.append(self._reserve())
            self.add(part)
        for split in splits:
            self.program[split] = _choice(split + 1, len(self.program), is_lazy=is_lazy)

    def _reserve(self) -> int:
        self.program.append((_FAIL,))
        return len(self.program) - 1


def _choice(inside: int, after: int, *, is_lazy: bool) -> _Instruction:
    return (_SPLIT, after, inside) if is_lazy else (_SPLIT, inside, after)


def _is_one_character(part: Any) -> bool:
    return len(part) == 1 and str(part[0][0]) in _ONE_CHARACTER


class StepCounter:
    """A pattern whose matching is counted.

    steps: taken so far; beyond most it gives up, with TooManySteps.
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        tree = _parser.parse(pattern.pattern, pattern.flags)
        builder = _Builder(pattern.flags, tree.state, 2 * tree.state.groups)
        builder.add(tree)
        self.steps = 0
        self.most = 10**9
        self._program = builder.program
        self._registers = (-1,) * builder.registers

    def match(self, text: str, place: int = 0) -> int | None:
        """Return where the match that starts at the place ends."""
        return self._end(text, place)

    def fullmatch(self, text: str) -> int | None:
        """Return the text's end where all of it matches."""
        return self._end(text, 0, whole=True)

    def finditer(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of each match, as finditer, sub and split find them."""
        start, empty_at = 0, -1
        while start <= len(text):
            end = self._end(text, start, not_empty=start == empty_at)
            if end is None:
                start += 1
                continue
            yield start, end
            empty_at = end if end == start else -1
            start = end

    def _end(
        self, text: str, place: int, *, whole: bool = False, not_empty: bool = False
    ) -> int | None:
        stop = len(text) if whole else -1
        bad_end = place if not_empty else -1
        found = self._run(self._program, text, place, self._registers, stop, bad_end)
        return None if found is None else found[0]

    def _run(
        self,
        program: _Program,
        text: str,
        place: int,
        registers: _Registers,
        stop: int = -1,
        bad_end: int = -1,
    ) -> tuple[int, _Registers] | None:
        """Return where the program ends and its registers, None where every way fails.

        The stack holds ways not yet tried: (instruction, place, registers, limit). A run that
        may give back stands there with the last place that it may go to, others with -1.
        """
        at, size, length = 0, len(text), len(program)
        stack: list[tuple[int, int, _Registers, int]] = []
        steps, most = self.steps, self.most
        while True:
            steps += 1
            if steps > most:
                self.steps = steps
                raise TooManySteps
            if at == length:
                if (stop < 0 or place == stop) and place != bad_end:
                    self.steps = steps
                    return place, registers
                failed = True
            else:
                instruction = program[at]
                op = instruction[0]
                at += 1
                if op == _CHARACTER:
                    failed = place >= size or not instruction[1][text[place]]
                    place += 1
                elif op == _RUN:
                    _, chosen, least, longest, how = instruction
                    begin = place
                    limit = min(size, begin + (least if how == "lazy" else longest))
                    while place < limit and chosen[text[place]]:
                        place += 1
                    steps += place - begin
                    failed = place - begin < least
                    if not failed and how == "greedy" and place > begin + least:
                        stack.append((at - 1, place - 1, registers, begin + least))
                    elif not failed and how == "lazy" and longest > least:
                        stack.append((at - 1, place, registers, begin + longest))
                elif op == _SPLIT:
                    stack.append((instruction[2], place, registers, -1))
                    at, failed = instruction[1], False
                elif op == _JUMP:
                    at, failed = instruction[1], False
                elif op == _SAVE:
                    number = instruction[1]
                    registers = (*registers[:number], place, *registers[number + 1 :])
                    failed = False
                elif op == _MOVED:
                    failed = registers[instruction[1]] == place
                elif op == _PLACE:
                    failed = instruction[1].match(text, place) is None
                elif op == _SAME:
                    first, last = registers[2 * instruction[1] : 2 * instruction[1] + 2]
                    before, here = text[first:last], text[place : place + last - first]
                    if instruction[2]:
                        before, here = before.lower(), here.lower()
                    failed = last < 0 or before != here
                    steps += len(here)
                    place += len(here)
                elif op == _INSIDE:
                    _, inner, kind, wanted, width = instruction
                    self.steps, found = steps, None
                    if place >= width:
                        found = self._run(inner, text, place - width, registers)
                    steps = self.steps
                    failed = (found is not None) != wanted
                    if found is not None and wanted:
                        place = found[0] if kind == "atomic" else place
                        registers = found[1]
                else:
                    failed = True
            while failed:
                if not stack:
                    self.steps = steps
                    return None
                at, place, registers, limit = stack.pop()
                steps, failed = steps + 1, False
                if limit < 0:
                    continue
                _, chosen, _, _, how = program[at]
                if how == "lazy":
                    failed = place >= min(size, limit) or not chosen[text[place]]
                    place += 1
                if not failed and place != limit:
                    stack.append((at, place - 1 if how == "greedy" else place, registers, limit))
                at += 1
