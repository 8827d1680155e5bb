"""A chosen piece of code -> the same with the imports and helpers that other pieces hold."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from processors.extraction.usage import line_numbers
from processors.reply.pieces import Piece
from processors.reply.reply_text import Line
from processors.reply.statements import missing_names
from processors.syntax.python_source import bound_names, imported_names, top_level

LARGE = 100_000  # characters; what is longer is kept as it stands, to keep the time linear


def with_missing_parts(
    chosen: Sequence[Piece], pieces: Sequence[Piece], name: str | None
) -> list[Piece]:
    """Return the chosen pieces and those that bind names which they read, in reply order.

    A piece that itself defines the expected name (an earlier version, say) gives only the
    statements that are needed.
    """
    taken = {id(piece) for piece in chosen}
    others = [
        piece
        for piece in pieces
        if piece.is_readable and id(piece) not in taken and piece.rank and len(piece.code) < LARGE
    ]
    if not others or sum(len(piece.code) for piece in chosen) > LARGE:
        return list(chosen)
    binders = _binders(others)
    parts_of = [_Parts(piece, name) for piece in others]
    wanted: dict[int, set[str]] = {}
    todo = [missing for piece in chosen for missing in missing_names(piece.tree)]
    done = {bound for piece in chosen for bound in _bound(piece.tree)}
    while todo:
        missing = todo.pop()
        if missing in done or missing not in binders:
            continue
        done.add(missing)
        number = _nearest(binders[missing], others, chosen[0])
        wanted.setdefault(number, set()).add(missing)
        todo += parts_of[number].needs(missing)
    parts = [parts_of[number].giving(names) for number, names in wanted.items()]
    return _in_order(chosen, parts)


def _in_order(chosen: Sequence[Piece], parts: Sequence[Piece]) -> list[Piece]:
    """Return all in reply order; but a base class that is shown last has to stand first."""
    needed = {name for piece in chosen for name in _read_at_once(piece.tree.body)}
    first: list[Piece] = []
    rest = list(chosen)
    for part in parts:
        is_first = part.place > chosen[0].place and _bound(part.tree) & needed
        (first if is_first else rest).append(part)
    return [*sorted(first, key=_place), *sorted(rest, key=_place)]


def _place(piece: Piece) -> tuple[int, int]:
    return piece.place


def _read_at_once(body: Sequence[ast.AST]) -> set[str]:
    """Return the names that are read when the definitions run, not when they are called."""
    found: set[str] = set()
    todo = list(body)
    while todo:
        node = todo.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                todo += [*node.decorator_list, *node.args.defaults]
            case ast.Lambda():
                pass
            case ast.Name(id=name):
                found.add(name)
            case _:
                todo += ast.iter_child_nodes(node)
    return found


def lacks_names(parts: Sequence[Piece]) -> bool:
    """Return whether the pieces read a name that none of them binds."""
    if sum(len(piece.code) for piece in parts) > LARGE:
        return False
    bound = {name for piece in parts for name in _bound(piece.tree)}
    return any(missing_names(piece.tree) - bound for piece in parts)


def _binders(pieces: list[Piece]) -> dict[str, list[int]]:
    binders: dict[str, list[int]] = {}
    for number, piece in enumerate(pieces):
        for name in _bound(piece.tree):
            binders.setdefault(name, []).append(number)
    return binders


def _bound(tree: ast.Module) -> set[str]:
    return {name for node in top_level(tree.body) for name in _binds(node)}


def _binds(node: ast.stmt) -> set[str]:
    return {*bound_names(node), *(name for name, _ in imported_names(node))}


def _nearest(numbers: list[int], pieces: list[Piece], chosen: Piece) -> int:
    """Return the last piece before the chosen one, else the first after it."""
    before = [number for number in numbers if pieces[number].place < chosen.place]
    return before[-1] if before else numbers[0]


def _gives_all(piece: Piece, name: str | None) -> bool:
    if name is not None and name in piece.names:
        return False
    names = {name for node in piece.tree.body for name in bound_names(node)}
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for node in piece.tree.body
    ) and not any(name.lower().startswith("test") for name in names)


class _Parts:
    """What one piece can give; each question about it is answered once, however many ask."""

    def __init__(self, piece: Piece, name: str | None) -> None:
        self._piece = piece
        self._name = name
        self._was_asked = False
        self._read: set[int] = set()

    @cached_property
    def _all(self) -> bool:
        return _gives_all(self._piece, self._name)

    @cached_property
    def _binders(self) -> dict[str, list[int]]:
        """Name -> the numbers of the statements that bind it."""
        binders: dict[str, list[int]] = {}
        for number, node in enumerate(self._piece.tree.body):
            for name in _binds_inside(node):
                binders.setdefault(name, []).append(number)
        return binders

    def needs(self, name: str) -> set[str]:
        """Return what is read by what the piece gives for the name; each of it once."""
        if self._all:
            was_asked, self._was_asked = self._was_asked, True
            return set() if was_asked else missing_names(self._piece.tree)
        numbers = self._binders.get(name, [])
        todo = [number for number in numbers if number not in self._read]
        self._read.update(todo)
        return {name for number in todo for name in _reads(self._piece.tree.body[number])}

    def giving(self, wanted: set[str]) -> Piece:
        """Return the piece, or what of it binds the names."""
        piece = self._piece
        if self._all or not piece.parsed.is_valid:
            return piece
        nodes = {number for name in wanted for number in self._binders.get(name, ())}
        numbers = {number for node in nodes for number in line_numbers(piece.tree.body[node])}
        lines: list[Line] = [line for number, line in enumerate(piece.lines) if number in numbers]
        return replace(piece, lines=tuple(lines))


def _binds_inside(node: ast.stmt) -> set[str]:
    return {name for inner in top_level([node]) for name in _binds(inner)}


def _reads(node: ast.AST) -> set[str]:
    return {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)
    }
