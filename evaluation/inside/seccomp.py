"""A seccomp filter, written in BPF by hand: which system calls a solution is refused.

Source: seccomp(2), linux/bpf_common.h, linux/seccomp.h. Stands inside the sandbox: standard library
only. The filter is on top of what files Landlock and namespaces hide, never instead of them.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator

from evaluation.inside.system_calls import (
    ARCHITECTURES,
    CHECKED,
    IGNORED,
    PROCESSES,
    REFUSED,
    ZYGOTES_OWN,
    Numbers,
)

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # as the columns of system_calls.py
_X32_BIT = 0x4000_0000
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _AND = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_CLONE_THREAD = 0x0001_0000
_SOCK_STREAM, _SOCK_TYPE_MASK = 1, 0xF
# Typing into a terminal, and having signals sent to others.
_REFUSED_IOCTLS = (0x5412, 0x8901, 0x8902)  # TIOCSTI, FIOSETOWN, SIOCSPGRP
_REFUSED_FCNTLS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX

# Where a job's own process id comes in: no instruction has such an operand otherwise.
_OWN_PID = 0x5EAF_00D5
_PID_PLACE = struct.pack("I", _OWN_PID)

Instruction = tuple[int, int, int, int]  # code, jump where true, jump where false, operand

_EPERM = _ERRNO | errno.EPERM
_libc = ctypes.CDLL(None, use_errno=True)


def filter_for_all() -> bytes:
    """Return the filter for the zygote and all its jobs, as the kernel reads it."""
    column = _column()
    clone3 = CHECKED["clone3"][column]
    assert clone3 is not None
    # glibc then falls back on clone, whose flags the other filter can read.
    no_clone3 = [(_EQUAL, 0, 1, clone3), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    return _packed([*_beginning(), *_always(REFUSED, column, _EPERM), *no_clone3])


def filter_for_job(*, allow_processes: bool) -> bytes:
    """Return what is refused to a job on top of that; to be installed with its own process id.

    allow_processes: let it start others, which only a pid namespace holds together.
    """
    column = _column()
    program = [*_beginning(), *_always(IGNORED, column, _ERRNO)]
    program += _always(ZYGOTES_OWN, column, _EPERM)
    program += _by_arguments(column, allow_processes=allow_processes)
    if not allow_processes:
        program += _always(PROCESSES, column, _EPERM)
    return _packed(program)


def install_filter(program: bytes, own_pid: int | None = None) -> None:
    """Hold the calling thread, and those it starts, to a filter; needs no-new-privileges."""
    if own_pid is not None:
        program = program.replace(_PID_PLACE, struct.pack("I", own_pid))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if _libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, header, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _column() -> int:
    return ARCHITECTURES.index(platform.machine())


def _beginning() -> Iterator[Instruction]:
    machine = platform.machine()
    yield (_LOAD, 0, 0, _ARCH_AT)
    yield (_EQUAL, 1, 0, _AUDIT_ARCH[machine])
    yield (_RETURN, 0, 0, _KILL)
    yield (_LOAD, 0, 0, _NUMBER_AT)
    if machine == "x86_64":
        yield from [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL)]


def _packed(program: list[Instruction]) -> bytes:
    whole = [*program, (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in whole)


def _always(calls: Numbers, column: int, action: int) -> Iterator[Instruction]:
    for numbers in calls.values():
        number = numbers[column]
        if number is not None:
            yield (_EQUAL, 0, 1, number)
            yield (_RETURN, 0, 0, action)


def _by_arguments(column: int, *, allow_processes: bool) -> Iterator[Instruction]:
    tests: dict[str, list[Instruction]] = {
        "kill": _unless_argument(0, (_OWN_PID,)),
        "tgkill": _unless_argument(0, (_OWN_PID,)),
        "prlimit64": _unless_argument(0, (0, _OWN_PID)),
        "ioctl": _if_argument(1, _REFUSED_IOCTLS),
        "fcntl": _if_argument(1, _REFUSED_FCNTLS),
        # A datagram socket of a pair could still be sent to others.
        "socketpair": [
            _argument(1),
            (_AND, 0, 0, _SOCK_TYPE_MASK),
            (_EQUAL, 1, 0, _SOCK_STREAM),
            (_RETURN, 0, 0, _EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ],
    }
    if not allow_processes:
        tests["clone"] = [
            _argument(0),
            (_ANY_BIT, 1, 0, _CLONE_THREAD),
            (_RETURN, 0, 0, _EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ]
    for name, body in tests.items():
        number = CHECKED[name][column]
        if number is not None:
            yield (_EQUAL, 0, len(body), number)
            yield from body


def _unless_argument(index: int, allowed: tuple[int, ...]) -> list[Instruction]:
    """Return what refuses a call unless its argument's low half is one of these."""
    compared = [(_EQUAL, len(allowed) - place, 0, value) for place, value in enumerate(allowed)]
    return [_argument(index), *compared, (_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)]


def _if_argument(index: int, refused: tuple[int, ...]) -> list[Instruction]:
    compared = [(_EQUAL, len(refused) - place, 0, value) for place, value in enumerate(refused)]
    return [_argument(index), *compared, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _EPERM)]


def _argument(index: int) -> Instruction:
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index)
