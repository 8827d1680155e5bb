"""The guard's own process: kills its owner after two signals, unless that ends by itself.

Started with the owner's process id and the signals' numbers; reads numbers of signals from
standard input, which ends with the owner. It has to start fast: nothing of the project is imported.
"""

import os
import select
import signal
import sys
import time

_PATIENCE_SECONDS = 1.8  # longer than the owner needs to end by itself


def main() -> None:
    """Read signal numbers until standard input ends; kill the owner after two."""
    owner, numbers = int(sys.argv[1]), {int(number) for number in sys.argv[2:]}
    left = 2
    while left and (byte := os.read(0, 1)):
        left -= byte[0] in numbers
    if not left and not _ends_within(_PATIENCE_SECONDS):
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
