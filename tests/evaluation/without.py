"""Run a command without system calls, as a container or an old kernel would have it.

    python without.py mount,unshare,444 COMMAND ...

Named calls fail with EPERM, as in Docker's default profile; numbers do with ENOSYS.
"""

import errno
import os
import struct
import sys

from evaluation.inside.confine import _libc
from evaluation.inside.seccomp import install_filter
from evaluation.inside.system_calls import REFUSED

ALLOW, ERRNO, NEW_NAMESPACES = 0x7FFF_0000, 0x0005_0000, 0x7E02_0000
COLUMN = {"x86_64": 0, "aarch64": 1}[os.uname().machine]


def main() -> None:
    """Install the filter and become the command."""
    program = [(0x20, 0, 0, 0)]
    for name in sys.argv[1].split(","):
        refusal = errno.ENOSYS if name.isdecimal() else errno.EPERM
        if name == "clone":  # of new namespaces; clone3 cannot be looked into
            program += [(0x15, 0, 1, 435), (0x06, 0, 0, ERRNO | errno.ENOSYS)]
            number = {0: 56, 1: 220}[COLUMN]
            program += [(0x15, 0, 4, number), (0x20, 0, 0, 16), (0x45, 0, 1, NEW_NAMESPACES)]
            program += [(0x06, 0, 0, ERRNO | refusal), (0x06, 0, 0, ALLOW)]
            continue
        known = int(name) if name.isdecimal() else REFUSED[name][COLUMN]
        assert known is not None
        program += [(0x15, 0, 1, known), (0x06, 0, 0, ERRNO | refusal)]
    program.append((0x06, 0, 0, ALLOW))
    _libc.prctl(38, 1, 0, 0, 0)
    install_filter(b"".join(struct.pack("HBBI", *step) for step in program))
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
