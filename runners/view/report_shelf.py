"""Sessions' reports for the local page: each is written by a process of its own, outside sessions.

A session's own report.html is not served: it may be old, or by somebody else.
"""

import asyncio
import contextlib
import sys
from pathlib import Path

from config.errors import StoreError
from reports.board.session_listing import AnswersStamp, Stamp, answers_stamp, stamp_of

_ROOT = Path(__file__).resolve().parent.parent.parent
_MOST_KEPT = 8
_MOST_SECONDS = 120.0
_MOST_WAITING = 8
_MOST_ERROR_CHARACTERS = 300

_State = tuple[Stamp, AnswersStamp]


class ReportShelf:
    """The last few reports as files in a folder, written again where their session changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[Path, tuple[_State, Path]] = {}
        self._turn = asyncio.Lock()  # one at a time: each takes a processor, and memory
        self._waiting = 0
        self._number = 0

    async def report_of(self, session: Path) -> Path | None:
        """Return a file with the session's report, None where too many are waited for.

        Raises StoreError where the session cannot be read.
        """
        if self._waiting >= _MOST_WAITING:
            return None
        self._waiting += 1
        try:
            async with self._turn:
                return await self._current(session)
        finally:
            self._waiting -= 1

    async def _current(self, session: Path) -> Path:
        state = await asyncio.to_thread(_state_of, session)
        kept = self._kept.pop(session, None)
        if kept is not None and kept[0] != state:
            self._drop(kept[1])
            kept = None
        if kept is None:
            self._number += 1
            target = self._folder / f"report-{self._number}.html"
            await _write(session, target)
            kept = (state, target)
        self._kept[session] = kept
        while len(self._kept) > _MOST_KEPT:
            self._drop(self._kept.pop(next(iter(self._kept)))[1])
        return kept[1]

    def _drop(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # Windows keeps what is being sent
            path.unlink(missing_ok=True)


def _state_of(session: Path) -> _State:
    try:
        return stamp_of(session), answers_stamp(session)
    except OSError as error:
        raise StoreError(f"{session.name}: cannot be read: {error.strerror}") from error


async def _write(session: Path, target: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "runners.view.write_one_report", str(session), str(target)),
        cwd=_ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            _, complaints = await process.communicate()
    except TimeoutError as error:
        raise StoreError(f"{session.name}: its report takes too long to write") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        said = complaints.decode("utf-8", "replace").strip()[-_MOST_ERROR_CHARACTERS:]
        raise StoreError(f"{session.name}: its report cannot be written: {said}")
