"""How many calls a process may have in flight: each takes an open file, its connection."""

import contextlib
import sys

MOST_CALLS = 16_384
"""Of all lanes together: 22 KB of memory each, and local ports, of which there are 28,000."""
_MOST_FILES = 65_536  # a limit of a billion would make programs slow that close every file
_OTHER_FILES = 256


def calls_that_fit() -> int:
    """Return how many calls auto widths may come to; raises the soft limit on open files first.

    Windows has no such limit for sockets.
    """
    if sys.platform == "win32":
        return MOST_CALLS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS has another limit beneath
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST_FILES if soft == resource.RLIM_INFINITY else soft
    return max(1, min(MOST_CALLS, files - min(_OTHER_FILES, files // 2)))
