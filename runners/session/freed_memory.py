"""Memory that was freed goes back to the system: glibc keeps tens of megabytes of it otherwise."""

import sys


def give_back_freed_memory() -> None:
    """Give back what can be, where the C library has a way: the process does not grow by as much.

    Takes some milliseconds. malloc_trim(3) is glibc's alone.
    """
    if sys.platform != "linux":
        return
    import ctypes  # only here: a run without has no use for it

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
