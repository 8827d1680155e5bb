"""Standard streams that can be relied on: opened where the shell closed them, let go when lost."""

from __future__ import annotations  # an older Python is to be told that it is too old

import io
import os
import sys
from typing import TextIO

_NAMES = ("stdin", "stdout", "stderr")


def open_standard_streams() -> None:
    """Give every stream that is closed a place where nothing comes from, and everything may go.

    Else the next file that is opened, one of a session, would get its number.
    """
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(opened, True)
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def spell_out_what_cannot_be_shown() -> None:
    """Let the streams spell out what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flushed(stream: TextIO) -> OSError | None:
    """Return why what was printed cannot be written, None where it is.

    A stream that is lost takes everything from then on, to no end, so that Python's own exit
    does not stumble over it.
    """
    try:
        stream.flush()
    except BrokenPipeError:
        let_go(stream)  # nobody reads any more: nothing is wrong
    except OSError as error:
        let_go(stream)
        return error
    return None


def let_go(stream: TextIO) -> None:
    """Let everything that is printed from now on go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
