"""Every command that opens a session, run in this process: quick enough for thousands of times."""

import asyncio
import contextlib
import io
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from unittest import mock

from config.clock import SystemClock
from reports.board.board import Board
from reports.board.board_page import board_page
from scripts import (
    compare_sessions,
    evaluate_session,
    export_session,
    merge_sessions,
    report,
    reprocess_session,
    resume_collection,
    run_collection,
)
from storage.records import batch_steps as steps
from storage.records.batch_ledger import BatchLedger
from tests.support.command import Finished, bare_environment, pointed_at
from tests.support.datasets import write_dataset
from tests.support.provider_server import Answer, ProviderServer

MODELS = ("grok-4.3", "deepseek-flash-chat")
_PATIENCE_SECONDS = 120.0

Main = Callable[[list[str] | None], int]


@dataclass(frozen=True, slots=True)
class SessionCommand:
    """One command on session s; is_slow: it starts processes."""

    main: Main
    flags: tuple[str, ...] = ()
    is_slow: bool = False


def look_at_board(argv: list[str] | None) -> int:
    """Make the board of scripts/view.py, as it is served; --output-dir comes last."""
    assert argv
    state = Board(Path(argv[-1]), SystemClock()).look()
    assert board_page(state, "") and len(state.sessions) == 1
    return 0


COMMANDS: Mapping[str, SessionCommand] = {
    "status": SessionCommand(resume_collection.main, ("--status",)),
    "watch": SessionCommand(resume_collection.main, ("--watch",)),
    "list": SessionCommand(resume_collection.main, ("--list-sessions",)),
    "report": SessionCommand(report.main),
    "compare": SessionCommand(compare_sessions.main),
    "csv": SessionCommand(export_session.main, ("--format", "csv")),
    "jsonl": SessionCommand(export_session.main, ("--format", "jsonl")),
    "parquet": SessionCommand(export_session.main, ("--format", "parquet")),
    "runcodeeval": SessionCommand(export_session.main, ("--format", "runcodeeval")),
    "leaderboard": SessionCommand(
        export_session.main, ("--format", "leaderboard", "--out", "{output}/leaderboard.html")
    ),
    "board": SessionCommand(look_at_board),
    "merge": SessionCommand(merge_sessions.main, ("--into", "{output}/.elsewhere/merged")),
    "reprocess": SessionCommand(reprocess_session.main, ("--workers", "1"), is_slow=True),
    "resume": SessionCommand(resume_collection.main, is_slow=True),
}

# Takes seconds: to be tried where it matters.
EVALUATE = SessionCommand(evaluate_session.main, ("--workers", "1", "--no-decoys"))


class Hung(BaseException):
    """A command did not end."""


class SessionBench:
    """A session that has everything, and the commands to try on copies of it.

    whole: the session as it was made: answers, a failure, a reply that waits for extraction.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._environment = {**bare_environment(), **environment}
        self._output = folder / "out"
        dataset = write_dataset(folder / "data", {"sums": 2, "texts": 2})
        made = folder / "made"
        arguments = ["--models", *MODELS, "--dataset-path", str(dataset), "--session-id", "s"]
        arguments += ["--output-dir", str(made), "--max-cost", "5", "--extraction", "regex"]
        finished = self._run(run_collection.main, arguments)
        assert finished.exit_code == 1, finished.output  # one task was refused
        self.whole = made / "s"
        _let_one_wait(self.whole)
        _let_one_be_batched(self.whole)

    def evaluate(self) -> None:
        """Let the session have verdicts on its answers, too."""
        self.fresh_copy()
        finished = self.run(EVALUATE)
        assert finished.exit_code == 0, finished.output
        shutil.copytree(self._output / "s" / "evaluation", self.whole / "evaluation")

    def fresh_copy(self) -> Path:
        """Return a new copy of the session, in place of the one before."""
        shutil.rmtree(self._output, ignore_errors=True)
        shutil.copytree(self.whole, self._output / "s")
        return self._output / "s"

    def run(self, command: SessionCommand) -> Finished:
        """Return what a command on the copy printed, and its exit code."""
        named = [] if "--list-sessions" in command.flags else ["s"]
        flags = (flag.replace("{output}", str(self._output)) for flag in command.flags)
        arguments = [*named, *flags, "--output-dir", str(self._output)]
        return self._run(command.main, arguments)

    def _run(self, main: Main, arguments: list[str]) -> Finished:
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self._environment),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            _hangs_end(),
        ):
            code = main(arguments)
        return Finished(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def session_bench(folder: Path) -> Iterator[SessionBench]:
    """Yield a bench whose resumes reach a server."""
    with _served() as environment:
        yield SessionBench(folder, environment)


def is_one_line_or_well(finished: Finished) -> bool:
    """Tell whether a command did its work, or said in one line why not."""
    if finished.exit_code == 0:
        return finished.stderr == ""
    lines = finished.stderr.splitlines()
    is_said = len(lines) == 1 and lines[0].startswith("error: ")
    return finished.exit_code in (1, 2) and (is_said or finished.stderr == "")


@contextlib.contextmanager
def _served() -> Iterator[dict[str, str]]:
    """Yield what points the models at a server in a thread of its own."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    server = ProviderServer()
    server.script("xai", Answer(status=400, body={"code": "Client error", "error": "not this"}))
    stop = asyncio.Event()

    async def serve() -> None:
        async with server:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield pointed_at(server, "xai", "deepseek")
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@contextlib.contextmanager
def _hangs_end() -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise Hung

    former = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _let_one_be_batched(session: Path) -> None:
    """Give the session a batch that was landed, and one of its answers the mark of it."""
    token, at = "abcd2345", 1e9
    planned = steps.Planned(
        token=token,
        at=at,
        model=MODELS[0],
        provider="xai",
        base_url="http://127.0.0.1:9/v1",
        key_digest="0123abcd",
        tasks=[("sums_1", 1, "00")],
        size=10,
        sha256="00",
        worst_usd=0.5,
    )
    ledger = BatchLedger(session)
    for step in (
        planned,
        steps.Uploaded(token=token, at=at, prepared="file-1"),
        steps.Creating(token=token, at=at),
        steps.Created(token=token, at=at, batch_id="batch_1"),
        steps.Ended(token=token, at=at, state="completed", ended_at=at),
        steps.Landed(token=token, at=at, answered=1, failed=0, again=[1], cost_usd=0.0),
    ):
        ledger.append(step)
    (session / "batches").mkdir()
    for name in ("requests", "results"):
        (session / "batches" / f"{token}.{name}.ndjson").write_bytes(b"{}\n")
    answers = next(session.glob(f"{MODELS[0]}/*.jsonl"))
    first, _, rest = answers.read_text().partition("\n")
    mark = {"id": "batch_1", "custom_id": f"{token}-1", "created_at": at, "ended_at": at}
    answers.write_text(json.dumps({**json.loads(first), "batch": mark}) + "\n" + rest)


def _let_one_wait(session: Path) -> None:
    """Make of the last answer a reply that waits for extraction."""
    path = sorted(session.glob("*/*.jsonl"))[-1]
    *kept, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(kept))
    record = json.loads(last)
    waiting = {**record, "extracted_solution": "", "validation": {}}
    (session / "pending_extraction.jsonl").write_text(json.dumps(waiting) + "\n")
