"""Something on the host to attack: files, listeners, a process; and whether they are as before."""

import os
import resource
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
_SHARED = [Path("/dev/shm"), Path("/tmp")]


@dataclass(frozen=True, slots=True)
class Host:
    """Files that everyone may read and write, and listeners that everyone may reach."""

    home: Path
    places: dict[str, str]

    def aim(self, code: str) -> str:
        """Return an attack with its targets filled in."""
        for name, value in self.places.items():
            code = code.replace(f"@{name}@", value)
        return code

    def state(self) -> dict[str, object]:
        """Return whatever an attack could change."""
        files = {
            str(path): (os.lstat(path).st_mode, os.lstat(path).st_mtime_ns, _content(path))
            for path in sorted(self.home.rglob("*"))
        }
        pwned = [str(path) for folder in _SHARED for path in folder.glob("pwned*")]
        kinds = (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_AS)
        return {
            "files": files,
            "pwned": pwned,
            "harness": _content(PROJECT / "evaluation" / "inside" / "run_tests.py"),
            "limits": [resource.getrlimit(kind) for kind in kinds],
            "nice": os.getpriority(os.PRIO_PROCESS, 0),
            "affinity": os.sched_getaffinity(0),
        }


@contextmanager
def host() -> Iterator[Host]:
    """Yield a host to attack."""
    home = Path(tempfile.mkdtemp(prefix="attacked-"))
    try:
        with ExitStack() as stack:
            port = _listen(stack, socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
            abstract = f"attacked-{secrets.token_hex(4)}"
            _listen(stack, socket.AF_UNIX, f"\0{abstract}")
            _listen(stack, socket.AF_UNIX, str(home / "listener"))
            (home / "notes").mkdir()
            (home / ".env").write_text("KEY=SECRET\n")
            (home / "notes" / "diary.txt").write_text("dear diary\n")
            for path in (home, *home.rglob("*")):
                path.chmod(0o777)
            places = {
                "HOME": str(home),
                "PORT": str(port),
                "UNIX": str(home / "listener"),
                "ABSTRACT": abstract,
                "PID": str(os.getpid()),
                "PROJECT": str(PROJECT),
            }
            yield Host(home, places)
    finally:
        shutil.rmtree(home)


def zygotes() -> frozenset[int]:
    """Return the processes of sandboxes that this process started, or somebody who has ended."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        is_ours = b"evaluation.inside.zygote" in command or command == b"sleep\x00300\x00"
        if is_ours and parent in (1, os.getpid()):
            found.add(int(folder.name))
    return frozenset(found)


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _listen(
    stack: ExitStack, family: socket.AddressFamily, address: str | tuple[str, int]
) -> socket.socket:
    listener = stack.enter_context(socket.socket(family))
    listener.bind(address)
    listener.listen()
    return listener
