"""What a piece of code defines, and whether that is only a sketch: parts of it left out."""

import ast
import re

from processors.syntax.python_source import bound_names, top_level

_LEFT_OUT = re.compile(
    r"#\s*(?:\.\.\.|\u2026|\[?(?:the )?(?:rest|remainder) of"
    r"|(?:existing|previous|other) (?:code|methods)"
    r"|same as (?:before|above)|your (?:code|implementation|solution)|implementation (?:here|goes)"
    r"|(?:code )?(?:omitted|unchanged)|todo\b)",
    re.I,
)


def is_sketch(tree: ast.Module, code: str, name: str | None) -> bool:
    """Return whether what the code defines under the name (any name) is not spelled out."""
    if _LEFT_OUT.search(code):
        return True
    nodes = [
        node
        for node in top_level(tree.body)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and (name is None or name in bound_names(node))
    ]
    return bool(nodes) and _is_empty(nodes[-1])


def is_stub(tree: ast.Module, name: str) -> bool:
    """Return whether the name stands for no more than a signature.

    A class that names a base is whole without a body, an exception for example.
    """
    nodes = [node for node in top_level(tree.body) if name in bound_names(node)]
    match nodes[-1:]:
        case [ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body)]:
            return all(_says_nothing(part) or _returns_ellipsis(part) for part in body)
        case [ast.ClassDef(bases=[], body=body)]:
            return all(_says_nothing(part) for part in body)
        case _:
            return False


def _returns_ellipsis(node: ast.stmt) -> bool:
    match node:
        case ast.Return(value=ast.Constant(value=value)):
            return value is ...
        case _:
            return False


def _is_empty(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef):
        methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
        fields = [part for part in node.body if isinstance(part, ast.Assign | ast.AnnAssign)]
        if not methods:
            return not fields and all(_says_nothing(part) for part in node.body)
        return all(_is_empty(method) for method in methods)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return all(_says_nothing(part) for part in node.body) or _has_gap(node)
    return False


def _says_nothing(node: ast.stmt) -> bool:
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))):
            return name == "NotImplementedError"
        case _:
            return False


def _has_gap(node: ast.stmt) -> bool:
    """Return whether a "..." stands among the function's own statements."""
    return any(
        isinstance(part, ast.Expr)
        and isinstance(part.value, ast.Constant)
        and part.value.value is ...
        for part in ast.walk(node)
    )


def solution_names(tree: ast.Module) -> set[str]:
    """Return the functions and classes that the code defines, tests left out."""
    return {
        name
        for node in top_level(tree.body)
        for name in _definition(node)
        if not re.match(r"test_|Test|main$", name)
    }


def defines_anything(tree: ast.Module) -> bool:
    """Return whether the code may be a solution."""
    return bool(solution_names(tree))


def _definition(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda()):
            return [name]
        case _:
            return []


def is_plain_value(tree: ast.Module, name: str) -> bool:
    """Return whether the name is bound last to a number, a result or the like: no solution."""
    binders = [node for node in top_level(tree.body) if name in bound_names(node)]
    if not binders:
        return False
    last = binders[-1]
    if isinstance(last, ast.For | ast.AsyncFor | ast.AugAssign):
        return True
    value = last.value if isinstance(last, ast.Assign | ast.AnnAssign) else last
    if len(binders) == 1 and isinstance(value, ast.expr) and _reads(value, name):
        return True  # "counter = counter(words)": defined elsewhere, used here
    return isinstance(
        value, ast.Constant | ast.List | ast.Dict | ast.Set | ast.Tuple | ast.BinOp | ast.JoinedStr
    )


def _reads(value: ast.expr, name: str) -> bool:
    """Return whether the value needs the name at once; a lambda needs it when it is called."""
    nodes = list(ast.walk(value))
    return not any(isinstance(node, ast.Lambda) for node in nodes) and any(
        isinstance(node, ast.Name) and node.id == name for node in nodes
    )
