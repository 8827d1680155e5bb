"""JSON objects as typed columns: what shape all of them have, and each of them in that shape."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

import msgspec

_MOST_FIELDS = 200  # of one object: more than that are data, not fields
_MOST_DEPTH = 8
_INT64 = range(-(2**63), 2**63)
Kind = Literal["null", "bool", "int", "float", "text", "json", "list", "struct"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What stands in a column; json: values that differ too much, as JSON text.

    fields: of a struct. items: of a list.
    """

    kind: Kind
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    items: "Shape | None" = None


NULL, JSON = Shape("null"), Shape("json")
_TEXT, _BOOL, _INT = Shape("text"), Shape("bool"), Shape("int")
_NAMES = Shape("list", items=_TEXT)
# The validator's own verdict: the same columns in every session, whatever occurs in it.
VALIDATION = Shape(
    "struct",
    {
        "is_fully_valid": _BOOL,
        "syntax": Shape("struct", {"is_valid": _BOOL, "error": _TEXT, "line": _INT, "kind": _TEXT}),
        "structure": Shape(
            "struct",
            {
                "has_expected_name": _BOOL,
                "found_names": _NAMES,
                "expected_kind": _TEXT,
                "object_matches": _BOOL,
            },
        ),
        "imports": Shape(
            "struct",
            {
                "has_imports": _BOOL,
                "from_imports": _NAMES,
                "modules": _NAMES,
                "standard_library": _NAMES,
                "third_party": _NAMES,
                "not_installed": _NAMES,
            },
        ),
        "code_length": _INT,
        "line_count": _INT,
    },
)


def shape_of(value: object, depth: int = 0) -> Shape:
    """Return the shape of one JSON value."""
    match value:
        case None:
            return NULL
        case bool():
            return _BOOL
        case int():
            return _INT if value in _INT64 else JSON
        case float():
            return Shape("float")
        case str():
            return _TEXT
        case Mapping() if len(value) <= _MOST_FIELDS and depth < _MOST_DEPTH:
            shapes = {str(name): shape_of(item, depth + 1) for name, item in value.items()}
            return Shape("struct", shapes)
        case list() | tuple() if depth < _MOST_DEPTH:
            return Shape("list", items=_merged(shape_of(item, depth + 1) for item in value))
    return JSON


def merge(one: Shape, other: Shape) -> Shape:
    """Return the shape that holds what either holds."""
    if one == other or other.kind == "null":
        return one
    if one.kind == "null":
        return other
    if {one.kind, other.kind} == {"int", "float"}:
        return Shape("float")
    if one.kind != other.kind:
        return JSON
    if one.kind == "list":
        return Shape("list", items=merge(one.items or NULL, other.items or NULL))
    names = dict.fromkeys([*one.fields, *other.fields])
    if len(names) > _MOST_FIELDS:
        return JSON
    get = {name: (one.fields.get(name, NULL), other.fields.get(name, NULL)) for name in names}
    return Shape("struct", {name: merge(*pair) for name, pair in get.items()})


def fitted(value: object, shape: Shape) -> object:
    """Return a value as its column's shape has it; what is missing is None."""
    if value is None:
        return None
    if shape.kind == "struct" and isinstance(value, Mapping) and shape.fields:
        return {name: fitted(value.get(name), item) for name, item in shape.fields.items()}
    if shape.kind == "list" and isinstance(value, list | tuple):
        return [fitted(item, shape.items or NULL) for item in value]
    if shape.kind == "float" and isinstance(value, int):
        return float(value)
    if shape.kind in ("bool", "int", "float", "text"):
        return value
    return msgspec.json.encode(value).decode("utf-8")


def arrow_type(pyarrow: ModuleType, shape: Shape) -> object:
    """Return Arrow's type of a shape; a column of nulls, or of empty objects, is one of text."""
    if shape.kind == "struct" and shape.fields:
        return pyarrow.struct(
            [(name, arrow_type(pyarrow, item)) for name, item in shape.fields.items()]
        )
    if shape.kind == "list":
        return pyarrow.list_(arrow_type(pyarrow, shape.items or NULL))
    names = {"bool": "bool", "int": "int64", "float": "float64"}
    return pyarrow.type_for_alias(names.get(shape.kind, "string"))


def _merged(shapes: Iterable[Shape]) -> Shape:
    return functools.reduce(merge, shapes, NULL)
