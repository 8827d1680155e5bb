"""The program as a process that can be listened to, signalled, killed and limited while it runs."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from signal import SIGKILL, Signals

from tests.support.command import ROOT, Finished, bare_environment, pointed_at
from tests.support.provider_formats import Provider
from tests.support.provider_server import ProviderServer

# Three providers that are called over aiohttp alone: no SDK has to be loaded.
MODELS = ("grok-4.3", "deepseek-flash-chat", "llama-3.3-70b-instruct-turbo")
PROVIDERS: tuple[Provider, ...] = ("xai", "deepseek", "together")
SAID = re.compile(r"[Uu]p to (\d+) calls")
_LINE_LIMIT = 2**26

# Runs a script with a wall clock that jumps, an hour back and a day forward by turns.
JUMPING_CLOCK = """
import itertools, runpy, sys, time
real, jumps = time.time, itertools.cycle([0.0, -3600.0, 86_400.0, -1e6])
time.time = lambda: real() + next(jumps)
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Runs a script that a busy machine gives time enough to end in order after a second signal.
PATIENT = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0] + "/..")
from runners.session import interrupt
interrupt.PATIENCE_SECONDS, interrupt.GUARDS_PATIENCE_SECONDS = 60.0, 90.0
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Program:
    """One command, running."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._heard = ""

    @classmethod
    async def start(
        cls,
        script: str,
        *arguments: str,
        environment: Mapping[str, str],
        wrapper: str | None = None,
        wrapped_in: tuple[str, ...] = (),
    ) -> "Program":
        """Start scripts/<script>.

        wrapper: Python code that runs it, given wrapped_in, the script and its arguments.
        """
        python = [sys.executable, *(["-c", wrapper, *wrapped_in] if wrapper else [])]
        process = await asyncio.create_subprocess_exec(
            *python,
            str(ROOT / "scripts" / script),
            *arguments,
            cwd=ROOT,
            env={**bare_environment(), "PYTHONUNBUFFERED": "1", **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def heard(self) -> str:
        """What it has printed, as far as it was listened to."""
        return self._heard

    async def says(self, words: str) -> None:
        """Return once a line of standard output holds these words; fail if it ends without."""
        assert self._process.stdout is not None
        while words not in self._heard:
            line = await self._process.stdout.readline()
            if not line:
                raise AssertionError(f"never said {words!r}: {(await self.finished()).output}")
            self._heard += line.decode()

    def send(self, number: Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def has_taken_signals(self) -> None:
        """Return once no signal waits for it, or it has ended."""
        status = Path(f"/proc/{self.pid}/status")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while int(re.findall(r"ShdPnd:\s*(\w+)", status.read_text())[0], 16):
                await asyncio.sleep(0.01)

    async def ended(self) -> None:
        """Return once it has ended, in whatever way."""
        await self._process.wait()

    async def ended_or(self, event: Coroutine[None, None, None]) -> None:
        """Return once it has ended or the event has come, whichever is first."""
        tasks = [asyncio.create_task(event), asyncio.create_task(self.ended())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def killed(self) -> Finished:
        """Kill it at once and return what it had printed."""
        self.send(SIGKILL)
        return await self.finished()

    async def finished(self) -> Finished:
        """Return all that it printed and its exit code."""
        stdout, stderr = await self._process.communicate()
        code = self._process.returncode
        assert code is not None
        return Finished(code, self._heard + stdout.decode(), stderr.decode())


class Collection:
    """One session's runs against one server."""

    def __init__(self, server: ProviderServer, dataset: Path, output: Path, *more: str) -> None:
        """more: further flags of the first run."""
        self._server = server
        self.output = output
        self.session = output / "s"
        self.first_command = (
            "run_collection.py",
            *("--models", *MODELS, "--dataset-path", str(dataset), "--session-id", "s"),
            *("--output-dir", str(output), "--extraction", "regex", *more),
        )

    async def start(self, *more: str, wrapper: str | None = None, **environment: str) -> Program:
        """Start the first run."""
        return await Program.start(
            *(*self.first_command, *more),
            environment={**self.environment, **environment},
            wrapper=wrapper,
        )

    async def resume(self, *more: str, wrapper: str | None = None, **environment: str) -> Program:
        """Start a resume."""
        return await Program.start(
            "resume_collection.py",
            *("s", "--output-dir", str(self.output), *more),
            environment={**self.environment, **environment},
            wrapper=wrapper,
        )

    @property
    def environment(self) -> dict[str, str]:
        return pointed_at(self._server, *PROVIDERS)


def possibly_billed(finished: Finished) -> int:
    """Return how many calls a resume said may have been billed without an answer kept."""
    found = SAID.search(finished.stdout)
    return int(found[1]) if found else 0


def open_files_of(pid: int) -> int:
    """Return how many files a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
