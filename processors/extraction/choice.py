"""Pieces of code -> the one that answers, with what it needs from the others."""

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processors.extraction.additions import extensions, redefines
from processors.extraction.joins import LARGE, lacks_names, with_missing_parts
from processors.extraction.usage import without_usage
from processors.reply.cues import (
    REACH,
    is_alternative,
    is_rejected,
    is_settled,
    is_taken_back,
    recommended,
)
from processors.reply.pieces import Method, Piece, names_of, trimmed
from processors.reply.reply_text import Line
from processors.reply.statements import (
    Parser,
    Statements,
    code_of,
    complete_statements,
    missing_names,
)
from processors.syntax.definitions import is_plain_value, is_sketch, solution_names
from processors.syntax.python_source import imported_names

_SOON = 400  # characters after some code in which it is taken back
_OPENING = re.compile(r"\A\s*+(?:(?:async\s++)?def|class)\s++(\w++)")
_FENCES = ("fence", "unclosed_fence", "tags", "joined_fences")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The code that was chosen; no lines where the reply took back what it had."""

    lines: tuple[Line, ...]
    method: Method
    ambiguous: bool = False


def choose(
    pieces: Sequence[Piece],
    name: str | None,
    parser: Parser,
    text: str,
    spare: Callable[[], Sequence[Piece]],
) -> Choice | None:
    """Return the code that defines the name; without a name, that defines anything.

    spare: further pieces, for imports and helpers that these ones lack.
    """
    defining = [piece for piece in pieces if piece.is_readable and _defines(piece, name)]
    if not defining:
        return _salvaged(pieces, name, parser, spare)
    groups = [defining] if name is not None else _by_names(defining)
    best = [_best(group, name, text) for group in groups]
    chosen = [piece for piece, _ in best]
    ambiguous = any(is_open for _, is_open in best)
    if name is not None:
        ambiguous |= redefines(chosen[0], pieces, name)
        chosen += extensions(chosen[0], pieces, name)
    if name is not None and (later := _broken_after(chosen[0], pieces, name)):
        if is_rejected(chosen[0].cue) or _is_taken_back(chosen[0], text):
            return _salvaged(later, name, parser, spare) or Choice(lines=(), method="none")
        ambiguous = True
    return _finished(chosen, pieces, name, parser, spare, ambiguous=ambiguous)


def _defines(piece: Piece, name: str | None) -> bool:
    if name is None:
        return bool(_definitions(piece))
    return name in piece.names and not is_plain_value(piece.tree, name)


def _definitions(piece: Piece) -> set[str]:
    return solution_names(piece.tree)


def _by_names(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return the pieces in groups that define the same things; alternatives are one group."""
    groups: list[list[Piece]] = []
    group_of: dict[str, int] = {}
    for piece in pieces:
        names = _definitions(piece)
        numbers = [group_of[name] for name in names if name in group_of]
        number = numbers[0] if numbers else len(groups)
        if groups and not numbers and is_alternative(piece.cue):
            number = len(groups) - 1
        if number == len(groups):
            groups.append([])
        groups[number].append(piece)
        group_of |= dict.fromkeys(names, number)
    return groups


def _best(pieces: Sequence[Piece], name: str | None, text: str) -> tuple[Piece, bool]:
    """Return the piece that answers, and whether another one might as well."""
    ranked = max(_label_rank(piece) for piece in pieces)
    pieces = [piece for piece in pieces if _label_rank(piece) == ranked]
    if len(pieces) == 1:
        return pieces[0], False
    whole = [piece for piece in pieces if not is_sketch(piece.tree, piece.code, name)]
    pieces = whole or pieces
    pieces = [piece for piece in pieces if not is_rejected(piece.cue)] or pieces
    pieces = [piece for piece in pieces if not _is_taken_back(piece, text)] or pieces
    if len({piece.code for piece in pieces}) == 1:
        return pieces[-1], False
    end = pieces[-1].place[1]
    wanted = recommended(text[end : end + REACH])
    named = [piece for piece in pieces if wanted and wanted in piece.cue.lower()]
    if len(named) == 1:
        return named[0], False
    settled = [piece for piece in pieces if is_settled(piece.cue)]
    if settled:
        return settled[-1], settled[-1] is not pieces[-1]
    if sum(is_alternative(piece.cue) for piece in pieces) > 1 or is_alternative(pieces[-1].cue):
        return pieces[0], True
    return pieces[-1], True


def _is_taken_back(piece: Piece, text: str) -> bool:
    return is_taken_back(text[piece.place[1] : piece.place[1] + _SOON])


def _label_rank(piece: Piece) -> int:
    return piece.rank if piece.method == "json" else min(piece.rank, 1)


def _broken_after(chosen: Piece, pieces: Sequence[Piece], name: str) -> list[Piece]:
    """Return the later pieces that would define the name, were they not broken."""
    return [
        piece
        for piece in pieces
        if piece.place > chosen.place
        and piece.rank
        and not piece.is_readable
        and _opens(piece, name)
    ]


def _opens(piece: Piece, name: str | None) -> bool:
    openings = (_OPENING.match(line.text) for line in piece.lines)
    return any(match is not None and name in (None, match[1]) for match in openings)


def _finished(
    chosen: Sequence[Piece],
    pieces: Sequence[Piece],
    name: str | None,
    parser: Parser,
    spare: Callable[[], Sequence[Piece]],
    *,
    ambiguous: bool,
) -> Choice:
    parts = with_missing_parts(chosen, pieces, name)
    if (others := spare()) and lacks_names(parts):
        parts = with_missing_parts(chosen, [*pieces, *others], name)
    if len(parts) == 1:
        lines = pruned(parts[0].lines, parts[0].tree if parts[0].parsed.is_valid else None, name)
        return Choice(lines=lines, method=parts[0].method, ambiguous=ambiguous)
    blank = Line("", -1, -1)
    joined = [line for part in parts for line in (*part.lines, blank)][:-1]
    parsed = parser.parse(code_of(joined))
    if parsed.tree is None:
        alone = chosen[-1:] if name is None else chosen[:1]  # with a name, the others add to it
        return _finished(alone, (), name, parser, tuple, ambiguous=True)
    lines = pruned(joined, parsed.tree if parsed.is_valid else None, name)
    return Choice(lines=lines, method="joined_fences", ambiguous=ambiguous)


def pruned(lines: Sequence[Line], tree: ast.Module | None, name: str | None) -> tuple[Line, ...]:
    """Return the lines without top-level statements that only use what they define."""
    if tree is None or sum(len(line.text) for line in lines) > LARGE:
        return tuple(lines)
    return tuple(trimmed(without_usage(tree, lines, name)))


def _salvaged(
    pieces: Sequence[Piece],
    name: str | None,
    parser: Parser,
    spare: Callable[[], Sequence[Piece]],
) -> Choice | None:
    """Return the complete statements of a piece that does not parse, if they answer."""
    for piece in reversed(pieces):
        if (
            piece.parsed.kind == "too_large"
            or piece.is_readable
            or not piece.rank
            or not _opens_or_assigns(piece, name)
        ):
            continue
        whole = complete_statements(piece.lines, parser, ends_cut=piece.ends_cut)
        parsed = parser.parse(code_of(whole.lines))
        if parsed.tree is None or (name is None and whole.broken_names):
            continue
        rest = Piece(
            lines=whole.lines,
            method="statements",
            parsed=parsed,
            names=frozenset(names_of(parsed.tree)),
            place=piece.place,
        )
        if not _defines(rest, name) or missing_names(parsed.tree) & set(whole.broken_names):
            continue
        is_again = name in whole.broken_names  # a further version, which is not whole
        if not is_again or _stands_without(rest, whole, name):
            return _finished([rest], pieces, name, parser, spare, ambiguous=is_again)
    return None


def _stands_without(rest: Piece, whole: Statements, name: str | None) -> bool:
    """Return whether the version before a broken one is an answer: no stub, and not corrected."""
    is_corrected = any(is_settled(cue) for cue in whole.broken_cues)
    return not is_corrected and not is_sketch(rest.tree, rest.code, name)


def _opens_or_assigns(piece: Piece, name: str | None) -> bool:
    return _opens(piece, name) or (
        name is not None and any(name in line.text for line in piece.lines)
    )


def fallback(pieces: Sequence[Piece], name: str | None) -> Choice | None:
    """Return the code of a reply that defines other names, or whose code is broken.

    It is kept as it is, so that the verdict says what is wrong with it.
    """
    fenced = [piece for piece in pieces if piece.rank]
    named = [piece for piece in fenced if piece.is_readable and _definitions(piece)]
    broken = [piece for piece in fenced if not piece.is_readable and _is_kept_broken(piece)]
    expected = [piece for piece in broken if name is not None and _opens(piece, name)]
    scripts = [piece for piece in fenced if piece.is_readable and _is_script(piece, name)]
    for choices in (expected, named, broken, scripts):
        if choices:
            best = max(choices, key=lambda piece: (piece.rank, piece.place))
            tree = best.tree if best.parsed.is_valid else None
            return Choice(lines=pruned(best.lines, tree, None), method=best.method)
    return None


def _is_kept_broken(piece: Piece) -> bool:
    return piece.is_closed and _opens(piece, None) and piece.method in (*_FENCES, "json", "bare")


def _is_script(piece: Piece, name: str | None) -> bool:
    """Return whether the piece is a program of its own, and no mere use of the name."""
    if piece.rank < 2 or piece.method not in _FENCES:
        return False
    if name is None:
        return True
    used = {node.id for node in ast.walk(piece.tree) if isinstance(node, ast.Name)}
    imported = {alias for node in piece.tree.body for alias, _ in imported_names(node)}
    return name not in used | imported
