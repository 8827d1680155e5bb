"""One worker process as its owner sees it: work goes in, a result or the news of its end comes."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from config.errors import NoWorker
from processors.workers.bounds import Bounds
from processors.workers.messages import REPLY_HEAD, REQUEST_HEAD, Work, name_of

if sys.platform == "linux":
    import fcntl

_ROOT = Path(__file__).resolve().parent.parent.parent
_START_SECONDS = 60.0
# What Python needs to start. Whatever else stands in the environment may be a key.
_PASSED_ON = (
    *("PATH", "HOME", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"),
    *("APPDATA", "SYSTEMROOT", "TEMP", "TMP"),
)
# Linux's own 64 KB take a turn of the loop each. All pipes of a user may have 64 MB, and new ones
# are tiny from there on: 100 workers leave room.
_PIPE_BYTES = 2**18
_OWN_FAULT = 1  # the exit code of a Python that ends with a traceback


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker said: a result, or the reason why there is none."""

    is_done: bool
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The process ended, or has to be ended, over a piece of work.

    is_final: because of the work, so that another process would fare no better.
    is_own_fault: not because of the work.
    """

    reason: str
    is_final: bool = False
    is_own_fault: bool = False


class Worker(asyncio.SubprocessProtocol):
    """A process that does one piece of work at a time, and is warm for the next.

    is_spent: it can do no more.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.is_spent = False
        self._bounds = bounds
        self._received = bytearray()
        self._answer: asyncio.Future[Answer | End] | None = None
        self._gone = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def start(cls, bounds: Bounds) -> Self:
        """Return a worker that is ready. Raises NoWorker where there can be none.

        Linux ends it with the thread that called this.
        """
        loop = asyncio.get_running_loop()
        worker = cls(bounds)
        worker._answer = loop.create_future()
        try:
            await loop.subprocess_exec(
                lambda: worker,
                *(sys.executable, "-m", "processors.workers.child"),
                *(str(bounds.memory_mb), str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=_ROOT,
                env=bare_environment(os.environ),
                start_new_session=True,  # the terminal's signals are for its owner
            )
            worker._widen_pipes()
            ready = await worker._answered(_START_SECONDS)
        except OSError as error:
            raise NoWorker(f"no worker process can be started: {error}") from error
        except BaseException:
            worker.kill()
            raise
        if isinstance(ready, End):
            worker.kill()
            raise NoWorker(f"no worker process can be started: {ready.reason}")
        return worker

    async def perform(self, work: Work, payload: bytes) -> Answer | End:
        """Return what came of some work; whoever does not wait for it has to kill the worker."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        name = name_of(work).encode()
        requests = self._transport.get_pipe_transport(0)
        assert isinstance(requests, asyncio.WriteTransport)
        requests.write(REQUEST_HEAD.pack(self._bounds.cpu_seconds, len(name), len(payload)) + name)
        requests.write(payload)
        return await self._answered(self._bounds.clock_seconds)

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.is_spent = True
        if self._transport is None or self._gone.is_set():
            return
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            if sys.platform == "win32":
                self._transport.kill()
            else:
                # The transport's own kill may take the exit code away from who waits for it.
                os.kill(self._transport.get_pid(), signal.SIGKILL)

    async def gone(self) -> None:
        """Return once the process is no more, and its pipes are closed."""
        if self._transport is not None:
            await self._gone.wait()

    @property
    def is_gone(self) -> bool:
        return self._gone.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:  # noqa: ARG002
        assert isinstance(data, bytes)
        self._received += data
        if len(self._received) < REPLY_HEAD.size or self._answer is None or self._answer.done():
            return
        is_done, is_last, length = REPLY_HEAD.unpack_from(self._received)
        if length > self._bounds.result_mb << 20:
            self._say(End(reason=f"a result of {length >> 20:,} MB", is_final=True))
        elif len(self._received) == REPLY_HEAD.size + length:
            self.is_spent |= is_last
            content = bytes(memoryview(self._received)[REPLY_HEAD.size :])
            self._received = bytearray()
            self._say(Answer(is_done, content))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Note that the process has ended and that all it wrote was read."""
        assert self._transport is not None
        self._transport.close()
        self.is_spent = True
        self._gone.set()
        code = self._transport.get_returncode() or 0
        if -code == getattr(signal, "SIGPROF", None):
            reason = f"more than {self._bounds.cpu_seconds:g} s of processor time"
            self._say(End(reason=reason, is_final=True))
        else:
            reason = f"its process ended {_by_what(code)}"
            self._say(End(reason=reason, is_own_fault=code == _OWN_FAULT))

    def _widen_pipes(self) -> None:
        """Let more pass at once, where the system lets it: half the time for a megabyte."""
        assert self._transport is not None
        if sys.platform == "linux":
            for transport in map(self._transport.get_pipe_transport, (0, 1)):
                assert transport is not None
                # This user's pipes are large enough together, or the process has just ended.
                with contextlib.suppress(OSError, ValueError):
                    pipe = transport.get_extra_info("pipe")
                    fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    async def _answered(self, seconds: float) -> Answer | End:
        assert self._answer is not None
        # In two halves: where this very process stood still meanwhile, the answer waits already.
        for _ in range(2):
            await asyncio.wait([self._answer], timeout=seconds / 2)
            if self._answer.done():
                return self._answer.result()
        return End(reason=f"more than {seconds:g} s by the clock", is_final=True)

    def _say(self, answer: Answer | End) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)


def bare_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what another Python needs to start, and no key."""
    passed_on = {name: variables[name] for name in _PASSED_ON if name in variables}
    return {**passed_on, "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}


def _by_what(code: int) -> str:
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"with exit code {code}"
