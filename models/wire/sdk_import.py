"""A provider's SDK, imported when the first call is made: a run of batches alone does without."""

import asyncio
import importlib
import sys


async def import_sdk(name: str) -> None:
    """Return once an SDK is imported; the event loop goes on meanwhile."""
    if name not in sys.modules:
        await asyncio.to_thread(importlib.import_module, name)


def is_imported(name: str) -> bool:
    """Return whether an SDK can have raised anything yet."""
    return name in sys.modules
