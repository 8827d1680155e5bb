"""Which tests run where nobody asked for them by name."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests that want a machine for themselves, unless they are asked for."""
    if "cluster" in config.getoption("markexpr"):
        return
    alone = pytest.mark.skip(reason="run alone: python -m pytest -m cluster tests/commands")
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(alone)
