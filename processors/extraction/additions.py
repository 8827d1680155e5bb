"""Later pieces of a reply -> what they add to code that was chosen, or say otherwise than it."""

import ast
from collections.abc import Sequence

from processors.extraction.usage import line_numbers
from processors.reply.cues import is_alternative, is_rejected
from processors.reply.pieces import Piece
from processors.syntax.python_source import bound_names

_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def extensions(chosen: Piece, pieces: Sequence[Piece], name: str) -> list[Piece]:
    """Return the later pieces in which the reply itself adds to what it defined.

    That is `Name.method = function`, `@name.register` and `name = wrap(name)`: the reply says
    where the code belongs. A method that is shown without its class is no such piece.
    """
    return [
        piece
        for piece in _later(chosen, pieces)
        if not (is_rejected(piece.cue) or is_alternative(piece.cue)) and _adds_to(piece, name)
    ]


def redefines(chosen: Piece, pieces: Sequence[Piece], name: str) -> bool:
    """Return whether a later piece has other code for a helper of the chosen one."""
    own = _definitions(chosen) if len(pieces) > 1 else {}
    return any(
        own.get(helper, code) != code
        for piece in _later(chosen, pieces)
        if name not in piece.names
        for helper, code in _definitions(piece).items()
    )


def _later(chosen: Piece, pieces: Sequence[Piece]) -> list[Piece]:
    return [
        piece
        for piece in pieces
        if piece.place > chosen.place and piece.rank and piece.parsed.is_valid
    ]


def _definitions(piece: Piece) -> dict[str, str]:
    """Return function or class -> its text."""
    if not piece.parsed.is_valid:
        return {}
    return {
        node.name: "\n".join(piece.lines[number].text for number in line_numbers(node)).strip()
        for node in piece.tree.body
        if isinstance(node, _DEFINITION)
    }


def _adds_to(piece: Piece, name: str) -> bool:
    defined = _defined(piece)
    return any(_extends(node, piece, defined, name) for node in piece.tree.body)


def _extends(node: ast.stmt, piece: Piece, defined: set[str], name: str) -> bool:
    match node:
        case ast.FunctionDef(decorator_list=decorators):
            return any(_registers(decorator, name) for decorator in decorators)
        case ast.Assign(
            targets=[ast.Attribute(value=ast.Name(id=owner))], value=ast.Name(id=function)
        ):
            return owner == name and function in piece.names
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=owner))], value=ast.Lambda()):
            return owner == name
        case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call(args=[*_, ast.Name(id=arg)])):
            return target == arg == name and name not in defined
        case _:
            return False


def _defined(piece: Piece) -> set[str]:
    return {
        bound
        for node in piece.tree.body
        if isinstance(node, _DEFINITION)
        for bound in bound_names(node)
    }


def _registers(decorator: ast.expr, name: str) -> bool:
    if isinstance(decorator, ast.Call):
        decorator = decorator.func
    match decorator:
        case ast.Attribute(value=ast.Name(id=owner), attr="register"):
            return owner == name
        case _:
            return False
