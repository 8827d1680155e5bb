"""A folder that a solution wrote into: how much is in it, and its content removed.

Links are never followed, and folders nested thousands deep need no recursion. Stands inside the
sandbox: standard library only.
"""

import os
import stat
from collections.abc import Iterator
from itertools import count

MOST_BYTES = 64 << 20
MOST_ENTRIES = 10_000


def is_too_full(folder: str) -> bool:
    """Return whether more bytes or entries are in the folder than a solution may have there."""
    size = 0
    for entries, entry in enumerate(_walk(folder), start=1):
        size += entry.st_blocks * 512
        if size > MOST_BYTES or entries > MOST_ENTRIES:
            return True
    return False


def clear_folder(folder: str) -> None:
    """Remove everything in a folder that no process uses any more; OSError where that fails."""
    numbers = count()
    while names := os.listdir(folder):  # noqa: PTH208 - pathlib is slow, and this is every job
        for name in names:
            path = f"{folder}/{name}"
            if stat.S_ISDIR(os.lstat(path).st_mode):
                os.chmod(path, 0o700)  # noqa: PTH101
                _lift_content(path, folder, numbers)
                os.rmdir(path)  # noqa: PTH106
            else:
                os.unlink(path)  # noqa: PTH108


def _lift_content(path: str, top: str, numbers: Iterator[int]) -> None:
    """Remove a folder's files, and move its folders up to the top under names of their own."""
    for name in os.listdir(path):  # noqa: PTH208
        inner = f"{path}/{name}"
        if stat.S_ISDIR(os.lstat(inner).st_mode):
            os.chmod(inner, 0o700)  # noqa: PTH101 - a folder is moved only by who may write to it
            os.rename(inner, _free_name(top, numbers))  # noqa: PTH104
        else:
            os.unlink(inner)  # noqa: PTH108


def _free_name(top: str, numbers: Iterator[int]) -> str:
    for number in numbers:
        path = f"{top}/.lifted-{number}"
        if not os.path.lexists(path):
            return path
    raise AssertionError("numbers never end")


def _walk(folder: str) -> Iterator[os.stat_result]:
    """Yield what stands in a folder, at any depth; what goes or is closed meanwhile is passed."""
    todo = [folder]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
        except OSError:
            continue
