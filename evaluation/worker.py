"""One zygote, started when it is needed, given jobs one by one, and thrown away when in doubt."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import IO

import msgspec

from config.errors import CollectionError
from evaluation.cage import ZygotePlan, command, environment
from evaluation.inside.folders import clear_folder
from evaluation.inside.protocol import MOST_VERDICT_BYTES, MOST_WALL_PERIODS, JobEnd
from evaluation.jobs import Job, JobResult, result_of
from evaluation.priority import give_way

_START_SECONDS = 60.0
_GRACE_SECONDS = 30.0
_JOBS_A_ZYGOTE = 200
_MOST_LINE_BYTES = 4096
_MOST_ERROR_CHARACTERS = 300


class SandboxLost(CollectionError):
    """The sandbox could not be started, or was gone before a job's result: nobody's answer."""


class Worker:
    """`async with Worker(plan) as worker: result = await worker.run(job)`, one job at a time."""

    def __init__(self, plan: ZygotePlan) -> None:
        self._plan = plan
        self._process: asyncio.subprocess.Process | None = None
        self._folder: Path | None = None
        self._complaints: IO[bytes] | None = None
        self._handle = -1
        self._jobs = 0

    async def __aenter__(self) -> "Worker":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def run(self, job: Job) -> JobResult:
        """Return a job's result; raises SandboxLost where there is none, and starts afresh then."""
        process = self._process or await self.start()
        try:
            async with asyncio.timeout(_longest_seconds(job)):
                end, content = await _exchange(process, job)
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError | EOFError | TimeoutError | msgspec.MsgspecError):
                raise SandboxLost(f"the sandbox was lost: {error or 'no answer'}") from error
            raise
        self._jobs += 1
        if end["dirty"] or self._jobs >= _JOBS_A_ZYGOTE:
            await self.stop()
        return result_of(job, end, content)

    async def start(self) -> asyncio.subprocess.Process:
        """Return the zygote's process, ready; raises SandboxLost, saying why it is not."""
        self._folder = Path(tempfile.mkdtemp(prefix="judge-"))
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        plan = replace(self._plan, folder=self._folder)
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *command(plan),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._complaints,
                env=environment(plan),
                start_new_session=True,  # Ctrl-C is for the one who reads verdicts
                limit=MOST_VERDICT_BYTES * 2,
            )
            self._handle = os.pidfd_open(process.pid)
            await give_way(process.pid)
            assert process.stdout is not None
            async with asyncio.timeout(_START_SECONDS):
                ready = await process.stdout.readline()
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError | TimeoutError):
                raise SandboxLost(f"the sandbox could not be started: {error}") from error
            raise
        if not ready.startswith(b"{"):
            complaints = self._what_it_said()
            await self.stop()
            raise SandboxLost(f"the sandbox could not be started: {complaints}")
        self._jobs = 0
        return process

    async def stop(self) -> None:
        """End the zygote, and remove what its jobs left."""
        process, self._process = self._process, None
        if process is not None:
            # Not process.kill(): that may take the exit code from who waits for it.
            handle, self._handle = self._handle, -1
            if handle >= 0:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                os.close(handle)
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]
        complaints, self._complaints = self._complaints, None
        if complaints is not None:
            complaints.close()
        folder, self._folder = self._folder, None
        if folder is not None:
            with contextlib.suppress(OSError):
                clear_folder(str(folder))
            shutil.rmtree(folder, ignore_errors=True)

    def _what_it_said(self) -> str:
        assert self._complaints is not None
        self._complaints.seek(0)
        text = self._complaints.read(65_536).decode("utf-8", "replace").strip()
        return (text.splitlines() or ["no reason given"])[-1][:_MOST_ERROR_CHARACTERS]


async def _exchange(process: asyncio.subprocess.Process, job: Job) -> tuple[JobEnd, bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(job.encode())
    await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        raise EOFError("it ended")
    end = msgspec.json.decode(line, type=JobEnd)
    if not 0 <= end["bytes"] <= MOST_VERDICT_BYTES * 2:
        raise EOFError("it answered nonsense")
    return end, await process.stdout.readexactly(end["bytes"])


def _longest_seconds(job: Job) -> float:
    return job.limits.wall_seconds * (MOST_WALL_PERIODS + 1) + _GRACE_SECONDS
