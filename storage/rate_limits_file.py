"""rate_limits.json: what a session's runs learned about rate limits; no keys stand in it."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from storage.durability import replace_file
from storage.manifest import pretty_json

RATE_LIMITS_NAME = "rate_limits.json"


def read_rate_limits(folder: Path) -> object:
    """Return what was learned, None where nothing that can be read was kept."""
    try:
        return msgspec.json.decode((folder / RATE_LIMITS_NAME).read_bytes())
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None  # it is learned again


def write_rate_limits(folder: Path, learned: Mapping[str, object]) -> None:
    """Keep what was learned; raises StoreError, and leaves the old file, where it cannot."""
    path = folder / RATE_LIMITS_NAME
    replace_file(path, pretty_json(learned, path), durable=False)
