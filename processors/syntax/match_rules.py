"""Patterns of match statements: what the compiler refuses in them, in CPython's words."""

import ast
from collections.abc import Callable, Sequence

_Refuse = Callable[[str, ast.AST], None]
_MOST_BEFORE_A_STAR = 255


def check_cases(cases: Sequence[ast.match_case], refuse: _Refuse) -> None:
    """Report what is wrong with each case's pattern; only the last one may match anything."""
    for number, case in enumerate(cases, start=1):
        is_last = number == len(cases) or case.guard is not None
        _Pattern(refuse).check(case.pattern, may_match_all=is_last)


class _Pattern:
    """One case's pattern, and the names that it has bound so far."""

    def __init__(self, refuse: _Refuse) -> None:
        self._refuse = refuse
        self.names: dict[str, None] = {}

    def check(self, pattern: ast.pattern, *, may_match_all: bool = True) -> None:
        match pattern:
            case ast.MatchValue(value=value):
                if not _is_value(value):
                    what = "patterns may only match literals and attribute lookups"
                    self._refuse(what, pattern)
            case ast.MatchAs():
                self._check_capture(pattern, may_match_all=may_match_all)
            case ast.MatchStar(name=name):
                self._bind(name, pattern)
            case ast.MatchOr(patterns=parts):
                self._check_alternatives(pattern, parts, may_match_all=may_match_all)
            case ast.MatchSequence(patterns=parts):
                self._check_sequence(pattern, parts)
            case ast.MatchMapping():
                self._check_mapping(pattern)
            case ast.MatchClass():
                self._check_class(pattern)
            case _:
                pass

    def _check_capture(self, pattern: ast.MatchAs, *, may_match_all: bool) -> None:
        if pattern.pattern is not None:
            self.check(pattern.pattern, may_match_all=may_match_all)
        elif not may_match_all:
            self._refuse(_unreachable(pattern.name), pattern)
        self._bind(pattern.name, pattern)

    def _bind(self, name: str | None, pattern: ast.pattern) -> None:
        if name is None:
            return
        if name == "__debug__":
            self._refuse("cannot assign to __debug__", pattern)
        if name in self.names:
            self._refuse(f"multiple assignments to name {name!r} in pattern", pattern)
        self.names[name] = None

    def _check_alternatives(
        self, pattern: ast.pattern, parts: Sequence[ast.pattern], *, may_match_all: bool
    ) -> None:
        bound: dict[str, None] = {}
        for number, part in enumerate(parts, start=1):
            alternative = _Pattern(self._refuse)
            alternative.check(part, may_match_all=may_match_all and number == len(parts))
            if number > 1 and alternative.names.keys() != bound.keys():
                self._refuse("alternative patterns bind different names", pattern)
            bound = alternative.names if number == 1 else bound
        for name in bound:
            self._bind(name, pattern)

    def _check_sequence(self, pattern: ast.pattern, parts: Sequence[ast.pattern]) -> None:
        stars = [n for n, part in enumerate(parts) if isinstance(part, ast.MatchStar)]
        if len(stars) > 1:
            self._refuse("multiple starred names in sequence pattern", pattern)
        if stars and stars[0] > _MOST_BEFORE_A_STAR and not _are_wildcards(parts, stars[0]):
            what = "too many expressions in star-unpacking sequence pattern"
            self._refuse(what, pattern)
        for part in parts:
            self.check(part)

    def _check_mapping(self, pattern: ast.MatchMapping) -> None:
        seen: set[object] = set()
        for key in pattern.keys:
            if not _is_value(key):
                what = "mapping pattern keys may only match literals and attribute lookups"
                self._refuse(what, pattern)
            elif not isinstance(key, ast.Attribute):
                value = ast.literal_eval(key)
                if value in seen:
                    self._refuse(f"mapping pattern checks duplicate key ({value!r})", pattern)
                seen.add(value)
        for part in pattern.patterns:
            self.check(part)
        self._bind(pattern.rest, pattern)

    def _check_class(self, pattern: ast.MatchClass) -> None:
        seen: set[str] = set()
        for name, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
            if name == "__debug__":
                self._refuse("cannot assign to __debug__", part)
            if name in seen:
                self._refuse(f"attribute name repeated in class pattern: {name}", part)
            seen.add(name)
        for part in (*pattern.patterns, *pattern.kwd_patterns):
            self.check(part)


def _unreachable(name: str | None) -> str:
    what = "wildcard" if name is None else f"name capture {name!r}"
    return f"{what} makes remaining patterns unreachable"


def _is_value(value: ast.expr) -> bool:
    """Return whether a pattern may compare with it: numbers with a sign or two parts are folded."""
    return isinstance(value, ast.Constant | ast.Attribute | ast.UnaryOp | ast.BinOp)


def _are_wildcards(parts: Sequence[ast.pattern], star: int) -> bool:
    """Return whether all but the star are "_": then they are counted, and not unpacked."""
    return all(
        isinstance(part, ast.MatchAs) and part.pattern is None and part.name is None
        for number, part in enumerate(parts)
        if number != star
    )
