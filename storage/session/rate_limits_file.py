"""rate_limits.json: what a session's runs learned about rate limits; no keys stand in it.

{"version": 1, "keys": {account: {"learned_at": wall seconds, ...}}}; the rest is the limiter's.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from storage.files.durability import replace_file
from storage.files.regular_file import NotRegular, read_regular
from storage.session.manifest import pretty_json

RATE_LIMITS_NAME = "rate_limits.json"
RECENT_SECONDS = 86_400.0  # limits change: what another session learned counts for a day
_FILES_READ = 20
_MOST_BYTES = 1_000_000


class _Learned(msgspec.Struct):
    version: int
    keys: dict[str, dict[str, object]]


def read_rate_limits(folder: Path, now_wall_seconds: float) -> Mapping[str, object] | None:
    """Return what the session's runs learned; for a new one, what its siblings did lately.

    None where nothing was kept that is recent and can be read.
    """
    if os.path.lexists(folder / RATE_LIMITS_NAME):
        own = _read(folder / RATE_LIMITS_NAME)
        return {"version": own.version, "keys": own.keys} if own else None
    return _latest(
        list(_siblings(folder.parent)), now_wall_seconds - RECENT_SECONDS, now_wall_seconds
    )


def write_rate_limits(folder: Path, learned: Mapping[str, object]) -> None:
    """Keep what was learned; raises StoreError, and leaves the old file, where it cannot."""
    path = folder / RATE_LIMITS_NAME
    replace_file(path, pretty_json(learned, path), durable=False)


def merge_rate_limits(folder: Path, sessions: Iterable[Path]) -> None:
    """Keep what runs of several sessions learned, of each key the latest; raises StoreError."""
    read = [_read(session / RATE_LIMITS_NAME) for session in sessions]
    known = _latest([learned for learned in read if learned], -math.inf, math.inf)
    if known:
        write_rate_limits(folder, known)


def _latest(read: Sequence[_Learned], since: float, until: float) -> Mapping[str, object] | None:
    """Return what was learned last of each key between two moments, None for nothing."""
    latest: dict[str, dict[str, object]] = {}
    for learned in read:
        for key, facts in learned.keys.items():
            at = _learned_at(facts)
            is_same_version = learned.version == read[0].version
            is_in_time = since <= at <= until + 1.0
            if is_in_time and is_same_version and at > _learned_at(latest.get(key, {})):
                latest[key] = facts
    return {"version": read[0].version, "keys": latest} if latest else None


def _learned_at(facts: Mapping[str, object]) -> float:
    at = facts.get("learned_at")
    return at if isinstance(at, float) else -math.inf


def _siblings(output_dir: Path) -> Iterator[_Learned]:
    """Yield what the latest sessions of a folder learned."""
    written: dict[Path, float] = {}
    for path in output_dir.glob(f"[!.]*/{RATE_LIMITS_NAME}"):
        written[path] = _modified(path)
    for path in sorted(written, key=written.__getitem__, reverse=True)[:_FILES_READ]:
        if learned := _read(path):
            yield learned


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:  # the session was deleted meanwhile
        return 0.0


def _read(path: Path) -> _Learned | None:
    try:
        if path.lstat().st_size > _MOST_BYTES:
            return None
        return msgspec.json.decode(read_regular(path), type=_Learned)
    except (OSError, NotRegular, msgspec.MsgspecError, ValueError, RecursionError):
        return None  # it is learned again
