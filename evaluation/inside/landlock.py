"""Landlock by three system calls: which files a process and all its threads may open from now on.

Source: docs.kernel.org/userspace-api/landlock. Stands inside the sandbox: standard library only.
"""

import ctypes
import os
import struct
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_BITS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many access rights the kernel knows
_ALL_TCP = 0b11
_ALL_SCOPES = 0b11  # abstract unix sockets, signals

_libc = ctypes.CDLL(None, use_errno=True)


def landlock_version() -> int:
    """Return the kernel's Landlock ABI, 0 where it has none or does not let it be used."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)))


def make_ruleset(readable: Iterable[str], writable: Iterable[str]) -> int:
    """Return a descriptor for restrict_self: what may be read, and what read and written.

    Paths that do not exist are passed over. Opened TCP ports, and signals to processes outside,
    are refused where the kernel can. Raises OSError where it has no Landlock.
    """
    version = landlock_version()
    if version == 0:
        raise OSError("this kernel has no Landlock")
    known = (1 << _BITS_BY_ABI.get(version, 16)) - 1
    attributes = struct.pack("QQQ", known, _ALL_TCP, _ALL_SCOPES)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, attributes[:size], size, 0))
    for path in readable:
        _add_rule(ruleset, path, _READING & known)
    for path in writable:
        _add_rule(ruleset, path, known & ~(_MAKE_CHAR | _MAKE_BLOCK | _EXECUTE))
    return ruleset


def restrict_self(ruleset: int) -> None:
    """Hold the calling thread to a ruleset for ever; needs no-new-privileges."""
    _checked(_libc.syscall(_RESTRICT_SELF, ruleset, 0))


def _add_rule(ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed = access if os.path.isdir(path) else access & _ON_FILES  # noqa: PTH112
        rule = struct.pack("=Qi", allowed, descriptor)
        _checked(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
