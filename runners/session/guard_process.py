"""The guard's own process: kills its owner after two signals, unless that ends by itself.

Started with the owner's process id, the seconds that it has to end by itself and the signals'
numbers; reads numbers of signals from standard input, which ends with the owner. It has to start
fast: nothing of the project is imported.
"""

import os
import select
import signal
import sys
import time


def main() -> None:
    """Read signal numbers until standard input ends; kill the owner after two."""
    owner, patience_seconds = int(sys.argv[1]), float(sys.argv[2])
    numbers = {int(number) for number in sys.argv[3:]}
    left = 2
    while left and (byte := os.read(0, 1)):
        left -= byte[0] in numbers
    if not left and not _ends_within(patience_seconds):
        os.kill(owner, signal.SIGKILL)


def _ends_within(seconds: float) -> bool:
    """Return whether standard input ends, as it does with the owner."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([0], [], [], left)[0] and not os.read(0, 1024):
            return True
    return False


if __name__ == "__main__":
    main()
