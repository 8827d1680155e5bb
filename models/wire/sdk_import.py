"""A provider's SDK, imported only where calls are made: a run of batches alone does without."""

import asyncio
import importlib
import sys

_IMPORTED: set[str] = set()


def import_now(name: str) -> None:
    """Import an SDK, "" for none; it takes up to two seconds, so do it before calls are made."""
    if name and name not in _IMPORTED:
        importlib.import_module(name)
        _IMPORTED.add(name)


async def import_sdk(name: str) -> None:
    """Return once an SDK is imported; the event loop goes on meanwhile."""
    if name and name not in _IMPORTED:
        await asyncio.to_thread(import_now, name)


def is_imported(name: str) -> bool:
    """Return whether an SDK can have raised anything yet."""
    return name in sys.modules
