"""rate_limits.json: what a session's runs learned about rate limits; no keys stand in it."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from storage.durability import replace_file
from storage.manifest import pretty_json

RATE_LIMITS_NAME = "rate_limits.json"
RECENT_SECONDS = 86_400.0  # limits change: what another session learned counts for a day


def read_rate_limits(folder: Path, now_wall_seconds: float) -> object:
    """Return what the session's runs learned; for a new one, what the last of its siblings did.

    None where nothing was kept that is recent and can be read.
    """
    own = folder / RATE_LIMITS_NAME
    path = own if own.exists() else _latest_sibling(folder, now_wall_seconds - RECENT_SECONDS)
    try:
        return msgspec.json.decode(path.read_bytes()) if path else None
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None  # it is learned again


def write_rate_limits(folder: Path, learned: Mapping[str, object]) -> None:
    """Keep what was learned; raises StoreError, and leaves the old file, where it cannot."""
    path = folder / RATE_LIMITS_NAME
    replace_file(path, pretty_json(learned, path), durable=False)


def _latest_sibling(folder: Path, since: float) -> Path | None:
    written = dict(_written(folder.parent))
    latest = max(written, key=written.__getitem__, default=None)
    return latest if latest and written[latest] >= since else None


def _written(output_dir: Path) -> Iterator[tuple[Path, float]]:
    """Yield what the sessions there learned, with when it was written, in wall seconds."""
    for path in output_dir.glob(f"[!.]*/{RATE_LIMITS_NAME}"):
        with contextlib.suppress(OSError):  # the session was deleted meanwhile
            yield path, path.stat().st_mtime
