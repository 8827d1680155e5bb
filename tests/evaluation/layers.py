"""Which layers of isolation this machine has; the tests of the others are skipped, saying why."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from evaluation.cage import Isolation
from evaluation.isolation import LAYERS, probe
from evaluation.policy import Policy

each_layer = pytest.mark.parametrize("layer", LAYERS)


@cache
def trouble(layer: Isolation) -> str:
    """Return why a layer does not hold here, "" where it does."""
    with ThreadPoolExecutor(1) as pool:  # this thread may have an event loop at work
        return pool.submit(asyncio.run, probe(layer, Policy())).result().trouble


def best_layer() -> Isolation:
    """Return the best layer that holds; skips the test where none does."""
    for layer in LAYERS:
        if not trouble(layer):
            return layer
    pytest.skip("no sandbox holds here")


def need(layer: Isolation) -> None:
    """Skip the test where the layer does not hold."""
    if trouble(layer):
        pytest.skip(f"{layer} does not hold here: {trouble(layer)}")
