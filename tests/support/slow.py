"""Tables of cases of which the quick suite takes the first few."""

from collections.abc import Iterable

import pytest
from _pytest.mark import ParameterSet


def few(values: Iterable[object], quick: int) -> list[ParameterSet]:
    """Return the values as parameters: so many for the quick suite, the others slow."""
    return [
        pytest.param(value, marks=[pytest.mark.slow] if number >= quick else [])
        for number, value in enumerate(values)
    ]
