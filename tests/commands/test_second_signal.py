"""A second Ctrl-C or SIGTERM: the process is gone in a moment, whatever holds its event loop."""

import asyncio
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from tests.support.datasets import write_dataset
from tests.support.program import MODELS, Collection
from tests.support.session_check import answers_in, check_agreement
from tests.support.watched_server import WatchedServer

PROBLEMS = 12
PATIENCE_SECONDS = 120  # of a test on a busy machine; without an end it would be for ever

# Something that is called in the event loop holds it at the sixth call, in one way or another.
HELD = """
import functools, runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0] + "/..")
from runners.answers.answer_keeper import AnswerKeeper
from runners.session import interrupt
if {is_patient}:  # the process ends by itself, when it has its turn on a busy machine
    interrupt.GUARDS_PATIENCE_SECONDS = 60.0
keep, calls = AnswerKeeper.keep, []
@functools.wraps(keep)
def hold(*arguments):
    kept = keep(*arguments)
    calls.append(kept)
    if len(calls) == 6:
        print("the loop is held", flush=True)
        {how}
    return kept
AnswerKeeper.keep = hold
runpy.run_path(sys.argv[0], run_name="__main__")
"""
WAYS = {
    "Python code": ("while True: pass", 130),
    "a pattern": ("import re; re.match('(a+)+$', 'a' * 60 + 'b')", 130),
    "sleep": ("import time; time.sleep(10**6)", 130),
    "a lock": ("import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()", 130),
    "C code": ("sum(range(10**15))", -SIGKILL),
    "a lock of the log": (
        "import logging; [h.acquire() for h in logging.getLogger('collector').handlers]\n"
        "        while True: pass",
        130,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "signals"),
    [
        # Two alike could be one to Python, which looks for signals now and then.
        ("Python code", (SIGINT, SIGTERM)),
        pytest.param("a pattern", (SIGTERM, SIGINT), marks=pytest.mark.slow),
        pytest.param("C code", (SIGINT, SIGINT), marks=pytest.mark.slow),
        pytest.param("sleep", (SIGINT, SIGTERM), marks=pytest.mark.slow),
        pytest.param("a lock", (SIGTERM, SIGINT), marks=pytest.mark.slow),
        pytest.param("a lock of the log", (SIGINT, SIGTERM), marks=pytest.mark.slow),
        pytest.param("C code", (SIGTERM, SIGTERM), marks=pytest.mark.slow),
    ],
)
async def test_whatever_holds_the_loop_the_second_signal_ends_it(
    tmp_path: Path, how: str, signals: tuple[Signals, Signals]
) -> None:
    code, exit_code = WAYS[how]
    wrapper = HELD.replace("{how}", code).replace("{is_patient}", str(exit_code == 130))
    async with WatchedServer() as server:
        dataset = write_dataset(tmp_path / "data", {"sums": PROBLEMS})
        collection = Collection(server, dataset, tmp_path / "out")
        program = await collection.start(wrapper=wrapper)
        await program.says("the loop is held")
        for signal in signals:
            program.send(signal)
            await program.has_taken_signals()  # else two alike would be one
        async with asyncio.timeout(PATIENCE_SECONDS):
            finished = await program.finished()
        assert finished.exit_code == exit_code, finished.output
        assert len(answers_in(collection.session)) == 6
        resumed = await (await collection.resume()).finished()
        assert resumed.exit_code == 0, resumed.output
        assert "Traceback" not in finished.output + resumed.output
    assert len(check_agreement(collection.session)) == PROBLEMS * len(MODELS)
