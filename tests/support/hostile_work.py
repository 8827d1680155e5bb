"""Work that hurts whoever does it, whatever today's rules of extraction can stand.

HURTING runs a script whose workers are hurt by the replies of hurting_reply.
"""

import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

HURTING = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0] + "/..")
import processors.reading.bounded_reader
import runners.answers.reprocess as reprocess
from runners.session import interrupt
from tests.support.hostile_work import read_again_or_be_hurt, read_or_be_hurt
processors.reading.bounded_reader.read = read_or_be_hurt
reprocess.read, reprocess.read_again = read_or_be_hurt, read_again_or_be_hurt
interrupt.PATIENCE_SECONDS, interrupt.GUARDS_PATIENCE_SECONDS = 60.0, 90.0
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_HOW = re.compile(rb"hurt by (\w+)")


def hurting_reply(how: str, name: str = "solve_1") -> str:
    """Return a good reply that does one of the things below to the worker that reads it."""
    code = f"def {name}(value):\n    return value\n"
    return f"A reply to be hurt by {how}.\n```python\n{code}```\n" + "It is long. " * 300


def read_or_be_hurt(payload: bytes) -> bytes:
    """Read a packed reply, unless it says how to hurt who reads it."""
    from processors.reading.reading_work import read

    how = _HOW.search(payload)
    return _WAYS[how[1].decode()](b"") if how else read(payload)


def read_again_or_be_hurt(block: bytes) -> bytes:
    """Read a block of records again, unless one says how to hurt who reads it."""
    from runners.answers.reread import read_again

    how = _HOW.search(block)
    return _WAYS[how[1].decode()](b"") if how else read_again(block)


def echo(payload: bytes) -> bytes:
    """Return what came."""
    return payload


def spin(payload: bytes) -> bytes:
    """Never return, in Python code."""
    while True:
        pass


def spin_in_c(payload: bytes) -> bytes:
    """Never return, in C code that looks for no signal."""
    return b"%d" % sum(range(10**15))


def sleep(payload: bytes) -> bytes:
    """Never return, and use no processor time."""
    while True:
        time.sleep(1000)


def allocate(payload: bytes) -> bytes:
    """Take ever more memory."""
    held = []
    while True:
        held.append(bytearray(2**24))


def fill(payload: bytes) -> bytes:
    """Return how much memory of 64 MB at a time was got at once, up to so many."""
    held = [bytearray(2**26) for _ in range(int(payload))]
    return b"%d" % len(held)


def keep_memory(payload: bytes) -> bytes:
    """Return the process's id, and keep memory for ever."""
    _KEPT.append(bytearray(int(payload) << 20))
    return b"%d" % os.getpid()


_KEPT: list[bytearray] = []


def segfault(payload: bytes) -> bytes:
    """Read what is not there."""
    return ctypes.string_at(0)


def overflow_the_stack(payload: bytes) -> bytes:
    """Recurse without end, on the C stack too."""
    sys.setrecursionlimit(10**9)

    class Deep:
        def __repr__(self) -> str:
            return repr(self)

    return repr(Deep()).encode()


def recurse(payload: bytes) -> bytes:
    """Recurse until Python refuses."""
    return recurse(payload) + b"x"


def fail(payload: bytes) -> bytes:
    """Raise what came."""
    raise ValueError(payload.decode())


def fail_at_no(payload: bytes) -> bytes:
    if payload == b"no":
        fail(payload)
    return payload


def leave(payload: bytes) -> bytes:
    """End Python in the orderly way."""
    raise SystemExit(3)


def leave_at_once(payload: bytes) -> bytes:
    """End the process."""
    os._exit(int(payload))


def end_once(payload: bytes) -> bytes:
    """End the process as the system does that lacks memory, if the named file is there; take it."""
    path = Path(payload.decode())
    if path.exists():
        path.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return b"done"


def flood(payload: bytes) -> bytes:
    """Return very much."""
    return b"x" * (int(payload) << 20)


def print_much(payload: bytes) -> bytes:
    """Write to standard output as a careless library does."""
    print("x" * 100_000, flush=True)
    os.write(1, b"y" * 100_000)
    return b"printed"


def pid(payload: bytes) -> bytes:
    """Return the process's id."""
    return b"%d" % os.getpid()


def surroundings(payload: bytes) -> bytes:
    """Return what a worker can see: variables, open files, limits, ignored signals, modules."""
    import json
    import resource

    links = [f"/proc/self/fd/{fd}" for fd in range(100)]
    files = [str(Path(link).readlink()) for link in links if Path(link).is_symlink()]
    seen = {
        "variables": dict(os.environ),
        "files": files,
        "address_space": resource.getrlimit(resource.RLIMIT_AS),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "ignored": [
            number.name
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is signal.SIG_IGN
        ],
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    }
    return json.dumps(seen).encode()


def kill_the_owner(payload: bytes) -> bytes:
    """Kill the process that wants the result."""
    os.kill(os.getppid(), signal.SIGKILL)
    return sleep(payload)


_WAYS: dict[str, Callable[[bytes], bytes]] = {
    work.__name__: work
    for work in (spin, spin_in_c, sleep, allocate, segfault, overflow_the_stack, recurse)
}
_WAYS["kill_the_owner"] = kill_the_owner
_WAYS["fail"] = fail
_WAYS["leave"] = leave
_WAYS["leave_at_once"] = lambda _: leave_at_once(b"7")
_WAYS["flood"] = lambda _: flood(b"100")
