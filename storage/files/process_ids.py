"""Whether a process is alive, by its id."""

import os
import sys

_HIGHEST_PID = 2**31 - 1


def is_alive(pid: int) -> bool:
    """Return whether some process has this id now; it need not be the one that was meant."""
    if not 0 < pid <= _HIGHEST_PID:
        return False
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if sys.platform == "win32":
    import ctypes

    def _is_alive_on_windows(pid: int) -> bool:
        # os.kill(pid, 0) would send CTRL_C_EVENT there. 0x1000: query limited information.
        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if not handle:
            return False
        ctypes.windll.kernel32.CloseHandle(handle)
        return True
