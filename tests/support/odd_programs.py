"""Programs that parse and that the compiler may refuse: small, of all kinds of statements.

Few names, so that they are declared, bound and used in each other's way; anything may stand
anywhere. About half of the programs are refused, most of them for one reason.
"""

import random
import sys
from collections.abc import Callable
from itertools import count

_NAMES = ("a", "b", "c", "__p", "T")
_DEEPEST = 4
_SIMPLE = (
    "{n} = {e}", "{n}: {e} = {e}", "{n}: {e}", "({n}): {e}", "{n}.x: {e}", "{n}[{e}]: {e}",
    "{n} += {e}", "del {n}", "del {n}.x, {n}[{e}]", "return", "return {e}", "break", "continue",
    "pass", "{e}", "global {n}", "nonlocal {n}", "global {n}, {m}", "import {n}", "import {n}.x",
    "import {n} as {m}", "from {n} import {m}", "from x import *", "assert {e}, {e}",
    "raise {e} from {e}", "{n}, *{m} = {e}", "[{n}, (*{m}, b)] = {e}", "*{n}, *{m} = {e}",
    "*{n}, = {e}", "{n}.x = {n}[{e}] = {e}", "__debug__ = {e}", "{n}.__debug__ = {e}",
    "from __future__ import annotations", "{n} = *{e},", "{n} = *{m}", "return {e}", "yield",
    "await {n}",
)  # fmt: skip
_HEADS = (
    "if {e}:", "while {e}:", "for {n} in {e}:", "for {n}, *{m} in {e}:", "with {e} as {n}:",
    "with {e} as {n}, {e} as {m}:", "async for {n} in {e}:", "async with {e} as {n}:",
    "class {n}:", "class {n}({e}, x={e}, **{m}):", "def {n}():", "def {n}({p}):",
    "def {n}({m}: {e} = {e}, *, c={e}) -> {e}:", "async def {n}():", "async def {n}({p}):",
    "@{e}\ndef {n}(self):",
)  # fmt: skip
if sys.version_info >= (3, 12):
    _SIMPLE += ("type {n} = {e}", "type {n}[T, {m}: {e}] = {e}")
    _HEADS += ("def {n}[T]({p}):", "def {n}[T: {e}]({m}: {e} = {e}) -> {e}:", "class {n}[T, T]:",
               "class {n}[{m}, *T]({e}, x={e}):", "async def {n}[**{m}](a={e}):")  # fmt: skip
_EXPRESSIONS = (
    "{n}", "{n}", "{n}", "1", "'s'", "{n}.x", "{n}[{e}]", "{n}[{e}:{e}]", "({e} + {e})",
    "(not {e})",
    "{n}({e}, *{m}, x={e})", "{n}(x={e}, y={e})", "{n}(x={e}, x={e})", "{n}(__debug__=1)",
    "[{e}, *{n}]", "({e}, {e})", "{{{e}: {e}, **{n}}}", "{{*{n}, {e}}}", "(lambda: {e})",
    "(lambda {p}: {e})", "(lambda {n}={e}: {e})", "({e} if {e} else {e})", "(yield)", "(yield {e})",
    "(yield from {e})", "(await {e})", "({n} := {e})", "[{e} for {n} in {e}]",
    "[{e} for {n} in {e} if {e} for {m} in {e}]", "{{{e} for {n} in {e}}}",
    "{{{e}: {e} for {n}, {m} in {e}}}", "({e} for {n} in {e})", "[{e} async for {n} in {e}]",
    "({e} async for {n} in {e} if {e})", "[({m} := {e}) for {n} in {e}]", "f'{{{e}}}'", "super()",
)  # fmt: skip
_PARAMETERS = ("a", "a, b", "a, *b", "a, a", "*, a", "a, /, b=1", "*a, **b", "__p, _A__p", "*T, a")
_PATTERNS = (
    "{n}", "_", "1", "'s'", "None", "x.y", "-1", "1 + 2j", "[{q}, {q}]", "[{q}, *{n}]", "[*_, {q}]",
    "({q} | {q})", "{q} | {q}", "({q} as {n})", "{{1: {q}, 'k': {q}, **{n}}}", "{{1: {q}, 1: {q}}}",
    "C({q}, x={q})", "C(x={q}, x={q})", "f'a'", "[*{n}, *{m}]", "{{-1: {q}, 1: {q}}}",
)  # fmt: skip


def odd_programs(seed: int) -> "Callable[[], str]":
    """Return a maker of programs, one a call, always the same for a seed."""
    chance = random.Random(seed)
    numbers = count()

    def program() -> str:
        maker = _Maker(random.Random(chance.random() + next(numbers)))
        return maker.block(0, maker.chance.randrange(1, 3))

    return program


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def block(self, depth: int, statements: int) -> str:
        return "".join(self._statement(depth) for _ in range(statements))

    def _inner(self, depth: int) -> str:
        lines = self.block(depth + 1, self.chance.randrange(1, 3)).splitlines()
        return "".join(f"    {line}\n" for line in lines)

    def _statement(self, depth: int) -> str:
        if depth >= _DEEPEST or self.chance.random() < 0.55:
            return self._filled(self.chance.choice(_SIMPLE), depth) + "\n"
        kind = self.chance.random()
        if kind < 0.15:
            return self._try(depth)
        if kind < 0.25:
            return self._match(depth)
        text = self._filled(self.chance.choice(_HEADS), depth) + "\n" + self._inner(depth)
        if text.startswith(("for", "while", "if", "async for")) and self.chance.random() < 0.3:
            text += "else:\n" + self._inner(depth)
        return text

    def _try(self, depth: int) -> str:
        star = "*" if self.chance.random() < 0.3 else ""
        text = "try:\n" + self._inner(depth)
        for _ in range(self.chance.randrange(0, 3)):
            head = self.chance.choice((f"except{star} {{e}}:", f"except{star} {{e}} as {{n}}:"))
            text += self._filled(head, depth) + "\n" + self._inner(depth)
        if not star and self.chance.random() < 0.3:
            text += "except:\n" + self._inner(depth)
        if "except" in text and self.chance.random() < 0.3:
            text += "else:\n" + self._inner(depth)
        return text + "finally:\n" + self._inner(depth)

    def _match(self, depth: int) -> str:
        text = self._filled("match {e}:", depth) + "\n"
        for _ in range(self.chance.randrange(1, 4)):
            head = self.chance.choice(("case {q}:", "case {q}:", "case {q} if {e}:"))
            body = (self._filled(head, depth) + "\n" + self._inner(depth)).splitlines()
            text += "".join(f"    {line}\n" for line in body)
        return text

    def _filled(self, text: str, depth: int) -> str:
        """Return a template with its fields filled in; deeper ones are plainer."""
        fields = {
            "{n}": lambda: self.chance.choice(_NAMES),
            "{m}": lambda: self.chance.choice(_NAMES),
            "{p}": lambda: self.chance.choice(_PARAMETERS),
            "{e}": lambda: self._expression(depth),
            "{q}": lambda: self._pattern(depth),
        }
        made, start = "", 0
        while start < len(text):
            field = text[start : start + 3]
            if field in fields:
                made, start = made + fields[field](), start + 3
            elif text.startswith(("{{", "}}"), start):
                made, start = made + text[start], start + 2
            else:
                made, start = made + text[start], start + 1
        return made

    def _expression(self, depth: int) -> str:
        plain = depth >= _DEEPEST + 2 or self.chance.random() < 0.8
        text = self.chance.choice(_EXPRESSIONS[:10] if plain else _EXPRESSIONS)
        return self._filled(text, depth + 1)

    def _pattern(self, depth: int) -> str:
        plain = depth >= _DEEPEST + 1 or self.chance.random() < 0.4
        text = self.chance.choice(_PATTERNS[:8] if plain else _PATTERNS)
        return self._filled(text, depth + 1)
