"""Judging beside a run: a process of its own follows the answers on disk and runs their tests.

The run gives it an order, and at the end waits for what it has not judged yet. Neither needs the
other alive: what is judged is on disk, and what is not is left to a resume or evaluate_session.py.
"""

import asyncio
import contextlib
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import IO, Self

import msgspec

from config.collection_settings import ProgressForm
from evaluation.cage import Isolation
from evaluation.evaluate import Counts
from evaluation.live_judge import FINISH, LiveOrder
from evaluation.priority import give_way
from processors.workers.pool import usable_cores
from processors.workers.worker import bare_environment
from runners.progress.judging_progress import JudgingProgress
from runners.session.judging import Judging
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")

_ROOT = Path(__file__).resolve().parent.parent.parent
_STOP_SECONDS = 20.0  # to end its jobs and write the scores
_MOST_ERROR_CHARACTERS = 300


class LiveJudging(Judging):
    """`async with LiveJudging(store, isolation, progress) as judging:`, then finish() or stop().

    store: its lock held, its manifest.json written. isolation: probed.
    """

    def __init__(self, store: SolutionStore, isolation: Isolation, progress: ProgressForm) -> None:
        super().__init__()
        self._store = store
        self._isolation = isolation
        self._progress = JudgingProgress() if progress != "json" else None
        self._process: asyncio.subprocess.Process | None = None
        self._complaints: IO[bytes] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._total = 0

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.returncode is not None

    async def __aenter__(self) -> Self:
        order = LiveOrder(
            session=str(self._store.path), isolation=self._isolation, workers=usable_cores()
        )
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __aexit__
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "evaluation.live_judge"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._complaints,
                cwd=_ROOT,
                env=bare_environment(os.environ),
                start_new_session=True,  # Ctrl-C is for the run
            )
        except OSError as error:
            logger.warning("Answers are not judged: no process can be started: %s", error.strerror)
            return self
        await give_way(self._process.pid)
        self._tell(msgspec.json.encode(order) + b"\n")
        self._listening = asyncio.create_task(self._listen(self._process))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        if self._process is not None and self._listening is not None:
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._process.wait()
            except BaseException as error:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
                if not isinstance(error, TimeoutError):
                    raise
            finally:
                self._listening.cancel()
        if self._complaints is not None:
            self._complaints.close()

    async def finish(self) -> None:
        """Return once every answer that is on disk is judged, or stop() was called."""
        if self._process is None or self._listening is None:
            return
        self._total = sum(self._store.answered_counts().values())
        logger.debug("%d answers are there: waiting for those not judged yet", self._total)
        self._tell(FINISH)
        code = await self._process.wait()
        await self._listening
        if self._progress:
            self._progress.finish()
        if code:
            logger.warning(
                "Not all answers are judged: %s (evaluate_session.py judges the rest)",
                self._what_it_said(),
            )

    def stop(self) -> None:
        """Have it end soon: what is not judged by now is left for later."""
        super().stop()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _tell(self, order: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(order)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Read how far it is; that is shown once nothing else is."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if self._total and self._progress:
                counts = msgspec.json.decode(line, type=Counts)
                counts.total = self._total
                self._progress.show(counts)

    def _what_it_said(self) -> str:
        assert self._complaints is not None
        self._complaints.seek(0)
        text = self._complaints.read(65_536).decode("utf-8", "replace").strip()
        return (text.splitlines() or ["it was ended"])[-1][:_MOST_ERROR_CHARACTERS]
