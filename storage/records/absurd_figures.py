"""Figures beyond their bounds, taken out of what was read: the rest of a record is kept."""

from collections.abc import Iterator

import msgspec
from msgspec import inspect

_Number = inspect.IntType | inspect.FloatType


def without_absurd_figures(value: object, kind: type) -> object:
    """Return a JSON value with every figure replaced that is beyond the bounds of its field.

    In its place comes None where a field may be None (or what it is part of may), else the
    field's default, else 0. What is wrong otherwise stays wrong.
    """
    return _mended(value, inspect.type_info(kind))


def _mended(value: object, kind: inspect.Type) -> object:
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field for field in kind.fields}
        return {
            name: _mended_field(item, fields[name]) if name in fields else item
            for name, item in value.items()
        }
    if isinstance(kind, inspect.ListType) and isinstance(value, list):
        return [_mended(item, kind.item_type) for item in value]
    return value


def _mended_field(value: object, field: inspect.Field) -> object:
    kinds = list(_kinds(field.type))
    if not any(_has_absurd_figure(value, kind) for kind in kinds):
        return value
    if any(isinstance(kind, inspect.NoneType) for kind in kinds):
        return None
    if not isinstance(value, int | float):
        return next(_mended(value, kind) for kind in kinds)
    return 0 if field.default is msgspec.NODEFAULT else field.default


def _kinds(kind: inspect.Type) -> Iterator[inspect.Type]:
    yield from kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _has_absurd_figure(value: object, kind: inspect.Type) -> bool:
    if isinstance(kind, _Number) and isinstance(value, int | float):
        return not (kind.ge is None or kind.ge <= value) or not (
            kind.le is None or value <= kind.le
        )
    if isinstance(kind, inspect.TupleType) and isinstance(value, list):
        return any(map(_has_absurd_figure, value, kind.item_types))
    return _mended(value, kind) != value
