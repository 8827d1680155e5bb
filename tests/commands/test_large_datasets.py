"""A run of more problems than it holds: it asks what it would ask, and nothing that changed."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ROOT
from tests.support.datasets import write_dataset
from tests.support.program import Collection
from tests.support.provider_server import Answer, Request
from tests.support.session_check import answers_in, check_agreement, failures_in
from tests.support.watched_server import WatchedServer

ONE = ("--models", "grok-4.3", "--max-concurrent", "1")
# Runs a script that holds two problems whole at most.
HOLDS_TWO = f"""
import runpy, sys
sys.path.insert(0, {str(ROOT)!r})
from runners.session import collection_plan
collection_plan.MOST_HELD = 2
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class ChangingServer(WatchedServer):
    """Has a file changed with the second call that it gets."""

    def __init__(self, file: Path, former: str, new: str) -> None:
        super().__init__()
        self._change = (file, former, new)

    def _next_answer(self, call: Request) -> Answer:
        if len(self.requests) == 2:
            self.change()
        return super()._next_answer(call)

    def change(self, *, back: bool = False) -> None:
        file, former, new = self._change
        content = file.read_text()
        file.write_text(content.replace(new, former) if back else content.replace(former, new))


def told(record: dict[str, Any]) -> dict[str, Any]:
    """Return what of a record does not change with the moment."""
    own = ("timestamp", "execution_time", "wait_time", "request_id")
    return {name: value for name, value in record.items() if name not in own}


@pytest.mark.slow
async def test_a_run_that_holds_few_problems_keeps_the_same_answers(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 4, "texts": 3})
    kept = []
    for name, wrapper in (("whole", None), ("placed", HOLDS_TWO)):
        async with WatchedServer() as server:
            collection = Collection(server, dataset, tmp_path / name, *ONE, "--samples", "2")
            finished = await (await collection.start(wrapper=wrapper)).finished()
        assert finished.exit_code == 0, finished.output
        answers = check_agreement(collection.session)
        kept.append({key: told(record) for key, record in answers.items()})
    assert kept[0] == kept[1] and len(kept[0]) == 14


async def test_a_problem_that_changes_under_the_run_fails_and_a_resume_asks_it(
    tmp_path: Path,
) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 6})
    file = dataset / "sums.jsonl"
    async with ChangingServer(file, "the sums_4 of all", "the sums_9 of all") as server:
        collection = Collection(server, dataset, tmp_path / "out", *ONE)
        finished = await (await collection.start(wrapper=HOLDS_TWO)).finished()
        assert finished.exit_code == 1, finished.output
        (failure,) = failures_in(collection.session).values()
        assert (failure["task_id"], failure["error"]) == ("sums_4", "ProblemChanged")
        assert failure["message"] == (
            "sums.jsonl:4 is not what it was when the run began: not asked"
        )
        assert len(answers_in(collection.session)) == 5
        assert not any("sums_9" in str(request.body) for request in server.requests)
        refused = await (await collection.resume(wrapper=HOLDS_TWO)).finished()
        assert refused.exit_code == 2 and "sums_4 changed" in refused.stderr
        server.change(back=True)
        resumed = await (await collection.resume(wrapper=HOLDS_TWO)).finished()
    assert resumed.exit_code == 0, resumed.output
    assert len(check_agreement(collection.session)) == 6
    assert set(server.given.values()) == {1}
