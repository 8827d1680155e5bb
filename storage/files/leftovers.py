"""Half-written files that killed processes left in a session: nobody else knows their names."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from storage.files.process_ids import is_alive

_UNFINISHED = re.compile(r"\A\..+\.([0-9]{1,10})-[0-9a-f]{8}\.tmp")  # as open_fresh names them


def drop_leftovers(folders: Iterable[Path]) -> None:
    """Delete what processes that are gone left unfinished in these folders.

    What cannot be deleted stays: it is in nobody's way.
    """
    for folder in folders:
        for path in folder.glob(".*.tmp"):
            made_by = _UNFINISHED.fullmatch(path.name)
            if made_by and not _is_at_work(int(made_by[1])):
                with contextlib.suppress(OSError):
                    path.unlink()


def _is_at_work(pid: int) -> bool:
    return pid != os.getpid() and is_alive(pid)
