"""Judging gives way to everything else on the machine."""

import asyncio
import contextlib
import os
from pathlib import Path

NICE = 19
_TRIES = 5
_RETRY_SECONDS = 0.12  # the kernel takes one such wish of a user's in a tenth of a second


async def give_way(pid: int) -> None:
    """Return once a process that leads a session of its own runs only where others leave room.

    Where Linux groups processes by session ("autogroup", usual on desktops), a process's own
    niceness counts among those of its session alone: the group is given one, too.
    """
    with contextlib.suppress(OSError):  # it has ended, or is another user's by now
        os.setpriority(os.PRIO_PROCESS, pid, NICE)
    group = Path(f"/proc/{pid}/autogroup")
    for _ in range(_TRIES):
        try:
            group.write_text(str(NICE))  # noqa: ASYNC240 - no disk is asked
            return
        except BlockingIOError:
            await asyncio.sleep(_RETRY_SECONDS)
        except OSError:  # no such groups here
            return
