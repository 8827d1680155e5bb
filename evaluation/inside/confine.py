"""A process gives up what it does not need, for ever: user, rights, files, calls, memory and time.

Stands inside the sandbox: standard library only.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct

from evaluation.inside.landlock import restrict_self
from evaluation.inside.seccomp import install_filter

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x2008_0522
_FILE_BYTES = 16 << 20
_OPEN_FILES = 128
_PROCESSES = 64

_libc = ctypes.CDLL(None, use_errno=True)


def become_user(uid: int) -> None:
    """Give up root for another user's id, with all rights that go with it; OSError where refused.

    A namespace may not have the id: the last of those that every one has is then taken.
    """
    os.setgroups([])
    for candidate in (uid, 65_534):
        with contextlib.suppress(OSError):
            os.setresgid(candidate, candidate, candidate)
            os.setresuid(candidate, candidate, candidate)
            return
    raise OSError("root cannot be given up")


def drop_capabilities() -> None:
    """Keep root's name and files, and none of its powers; nothing where there are none."""
    number = _CAPSET.get(os.uname().machine)
    if number is not None:
        header = struct.pack("II", _CAPABILITY_VERSION_3, 0)
        _libc.syscall(number, header, bytes(24))


def close_to_others() -> None:
    """Die with the parent, gain no rights by starting programs, and let no child read this memory.

    Call it after become_user, which undoes it.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def limit_resources(cpu_seconds: int, memory_mb: int, *, allow_processes: bool) -> None:
    """Hold this process to so much processor time and address space, threads included."""
    limits = {
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + 1),
        resource.RLIMIT_AS: (memory_mb << 20,) * 2,
        resource.RLIMIT_FSIZE: (_FILE_BYTES,) * 2,
        resource.RLIMIT_NOFILE: (_OPEN_FILES,) * 2,
        resource.RLIMIT_CORE: (0, 0),
    }
    if allow_processes:
        limits[resource.RLIMIT_NPROC] = (_PROCESSES,) * 2
    for kind, (soft, hard) in limits.items():
        _, highest = resource.getrlimit(kind)
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(kind, (soft, hard))


def confine(ruleset: int | None, job_filter: bytes | None) -> None:
    """Hold this process to a Landlock ruleset and a seccomp filter; None: there is none here."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if ruleset is not None:
        restrict_self(ruleset)
    if job_filter is not None:
        install_filter(job_filter, os.getpid())
