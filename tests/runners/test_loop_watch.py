"""An event loop that stands still is named in the log, with what held it."""

import re
from pathlib import Path

import pytest

from tests.support.datasets import write_dataset
from tests.support.program import Collection
from tests.support.watched_server import WatchedServer

# The third outcome that is kept holds the loop.
HELD = """
import runpy, sys, time
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0] + "/..")
from runners.answers.answer_keeper import AnswerKeeper
keep, calls = AnswerKeeper.keep, []
def hold_the_loop():
    {how}
def hold(*arguments):
    calls.append(None)
    if len(calls) == 3:
        hold_the_loop()
    return keep(*arguments)
AnswerKeeper.keep = hold
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# On a busy machine it takes a while until somebody looks. PyDLL keeps the interpreter's lock.
WAYS = {
    "asleep": "time.sleep(2)",
    "in C code": "import ctypes; ctypes.PyDLL(None).usleep(700_000)",
}
# While C code holds the interpreter nobody can look; another thread may be let in first after it.
NAMED = {"asleep": "hold_the_loop", "in C code": "hold_the_loop|C code that let no other"}


@pytest.mark.slow
@pytest.mark.parametrize("way", [*WAYS])
async def test_a_stall_is_logged_with_what_ran(tmp_path: Path, way: str) -> None:
    log = tmp_path / "run.log"
    async with WatchedServer() as server:
        dataset = write_dataset(tmp_path / "data", {"sums": 2})
        collection = Collection(server, dataset, tmp_path / "out", "--log-file", str(log))
        finished = await (
            await collection.start(wrapper=HELD.replace("{how}", WAYS[way]))
        ).finished()
    assert finished.exit_code == 0, finished.output
    text = log.read_text()
    stalls = re.findall(r"DEBUG the event loop stood still for ([\d.]+) s: (.+)", text)
    assert any(re.search(NAMED[way], what) for _, what in stalls), text
    (longest,) = re.findall(r"DEBUG the event loop's longest stall: ([\d.]+) s, computing", text)
    assert float(longest) >= 0.5
    assert "stood still" not in finished.output
