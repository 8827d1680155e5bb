"""Which tests run where nobody asked for them by name, and how examples are drawn."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine may take any time over an example, and each run is to try the same ones.
settings.register_profile(
    "anywhere",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("anywhere")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests that want a machine for themselves, unless they are asked for."""
    if "cluster" in config.getoption("markexpr"):
        return
    alone = pytest.mark.skip(reason="run alone: python -m pytest -m cluster tests/commands")
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(alone)
