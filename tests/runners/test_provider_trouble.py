"""A provider that misbehaves for hours, told in seconds: bounded, recorded, completed later."""

from pathlib import Path
from random import Random

import pytest

from tests.support.datasets import write_dataset
from tests.support.program import MODELS, Collection
from tests.support.provider_server import Answer, Request, retryable_faults
from tests.support.session_check import check_agreement, failures_in, read_object
from tests.support.slow import few
from tests.support.watched_server import WatchedServer

pytestmark = pytest.mark.slow  # hours of a bad provider, compressed, still take seconds

PROBLEMS = 6
HOURS = (
    *("--max-attempts", "3", "--request-timeout", "4", "--task-timeout", "20"),
    *("--max-concurrent", "6"),
)


class SickServer(WatchedServer):
    """Nothing but faults until it is well: resets, hangs, drips, garbage, 5xx, all mixed."""

    well = False

    def _next_answer(self, call: Request) -> Answer:
        if self.well:
            return super()._next_answer(call)
        kinds = [fault for fault in retryable_faults(call.provider) if fault.status != 429]
        return self._dice.choice([*kinds, Answer(ending="never")])


@pytest.mark.parametrize("seed", few([1, 2], 1))
async def test_hours_of_faults_end_in_failures_that_a_resume_completes(
    tmp_path: Path, seed: int
) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": PROBLEMS})
    tasks = PROBLEMS * len(MODELS)
    async with SickServer(chance=Random(seed)) as server:
        collection = Collection(server, dataset, tmp_path / "out", *HOURS)
        finished = await (await collection.start()).finished()
        assert finished.exit_code == 1, finished.output
        assert "Traceback" not in finished.output
        assert tasks <= server.arrived <= 3 * tasks
        assert check_agreement(collection.session) == {}
        failures = failures_in(collection.session)
        assert len(failures) == tasks
        for failure in failures.values():
            check_failure(failure)
        assert read_object(collection.session / "progress.json")["status"] == "failed"

        server.well = True
        resumed = await (await collection.resume()).finished()
        assert resumed.exit_code == 0, resumed.output
    assert len(check_agreement(collection.session)) == tasks
    assert failures_in(collection.session) == {}
    assert read_object(collection.session / "progress.json")["status"] == "completed"


def check_failure(failure: dict[str, object]) -> None:
    """Every attempt stands in it with its time, its wait and its status; the last error too."""
    attempts = failure["attempts"]
    assert isinstance(attempts, list)
    assert 1 <= len(attempts) <= 3
    for attempt in attempts:
        assert attempt["started"] > 1.5e9
        assert 0 <= attempt["seconds"] < 10 and 0 <= attempt["wait_seconds"] < 25
        assert attempt["error"] and attempt["message"]
        assert attempt["status"] is None or 200 <= attempt["status"] < 600
    assert failure["error"] == attempts[-1]["error"]
    assert failure["message"] == attempts[-1]["message"]
    starts = [attempt["started"] for attempt in attempts]
    assert starts == sorted(starts)


async def test_a_model_that_answers_is_not_held_up_by_one_that_hangs(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": PROBLEMS})
    async with WatchedServer() as server:
        server.hold = frozenset({"xai"})
        collection = Collection(server, dataset, tmp_path / "out", *HOURS, "--max-attempts", "1")
        finished = await (await collection.start()).finished()
        assert finished.exit_code == 1, finished.output
        answers, failures = check_agreement(collection.session), failures_in(collection.session)
        assert len(answers) == 2 * PROBLEMS and len(failures) == PROBLEMS
        assert {failure["error"] for failure in failures.values()} == {"TimedOut"}
        server.hold = frozenset()
        resumed = await (await collection.resume()).finished()
        assert resumed.exit_code == 0, resumed.output
    assert len(check_agreement(collection.session)) == 3 * PROBLEMS


@pytest.mark.parametrize("seconds", ["99999999999999999999", "86400", "1e400"])
async def test_a_refusal_that_asks_for_a_wait_without_end_can_be_waited_out_or_ended(
    tmp_path: Path, seconds: str
) -> None:
    """Tasks that were sent give up in their time; the run says how long it waits for the rest."""
    dataset = write_dataset(tmp_path / "data", {"sums": 2})
    async with WatchedServer() as server:
        refusal = Answer(status=429, body={"error": "no"}, headers={"Retry-After": seconds})
        server.script("xai", *[refusal] * 2)
        collection = Collection(
            server, dataset, tmp_path / "out", "--max-concurrent", "2", "--task-timeout", "6"
        )
        program = await collection.start()
        finished = await program.finished()
        assert "Traceback" not in finished.output, finished.output
        answers, failures = check_agreement(collection.session), failures_in(collection.session)
        assert len(answers) + len(failures) == 6
        assert {failure["error"] for failure in failures.values()} <= {"RateLimited"}
