"""Replies that hurt whoever reads them, in whole runs: one task each is given up, no more."""

import json
from pathlib import Path
from signal import SIGINT
from typing import Any

import pytest

from tests.support.command import run
from tests.support.datasets import write_dataset
from tests.support.hostile_work import HURTING, hurting_reply
from tests.support.program import MODELS, Collection, Program
from tests.support.provider_formats import FORMATS
from tests.support.provider_server import Answer
from tests.support.session_check import check_agreement, lines_of, read_object
from tests.support.watched_server import WatchedServer

GROK = MODELS[0]
PROBLEMS = 8
PROCESSOR_TIME = "more than 2 s of processor time"
REASONS = {
    "segfault": "its process ended by SIGSEGV",
    "fail": "ValueError: ",
    "leave_at_once": "its process ended with exit code 7",
    "recurse": "RecursionError: maximum recursion depth exceeded",
    "overflow_the_stack": "its process ended by SIGSEGV",
    "flood": "a result of 100 MB",
    "allocate": "more than 512 MB of memory",
    "spin": PROCESSOR_TIME,
    "spin_in_c": PROCESSOR_TIME,
}
LONG = "```python\ndef solve_1(value):\n    return value\n```\n" + "It is long. " * 300
QUICK = ("segfault", "fail", "flood")


def saying(text: str) -> Answer:
    return Answer(body=FORMATS["xai"].good(GROK, "/chat/completions", {}, text))


def collection_of(server: WatchedServer, tmp_path: Path, *flags: str) -> Collection:
    dataset = write_dataset(tmp_path / "data", {"sums": PROBLEMS})
    return Collection(server, dataset, tmp_path / "out", *flags)


def given_up(answers: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return reply -> record of those that were not read."""
    return {
        record["raw_response"]: record
        for record in answers.values()
        if record["extraction"]["method"] == "gave_up"
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "ways", [QUICK, pytest.param(tuple(REASONS)[3:], marks=pytest.mark.slow)], ids=len
)
async def test_a_reply_that_cannot_be_read_is_kept_raw_and_the_others_are_read(
    tmp_path: Path, ways: tuple[str, ...]
) -> None:
    replies = {hurting_reply(way): way for way in ways}
    async with WatchedServer() as server:
        server.script("xai", *map(saying, replies))
        collection = collection_of(server, tmp_path)
        finished = await (await collection.start(wrapper=HURTING)).finished()
        assert finished.exit_code == 0, finished.output
        assert "Traceback" not in finished.output
        answers = check_agreement(collection.session)
        unread = given_up(answers)
        assert {reply: replies[reply] for reply in unread} == replies
        for reply, record in unread.items():
            reason = record["extraction"]["reason"]
            if replies[reply] != "overflow_the_stack":  # or it is the time, by the machine
                assert reason == REASONS[replies[reply]]
            assert record["extracted_solution"] == ""
            assert record["validation"]["is_fully_valid"] is False
        assert len(answers) == PROBLEMS * len(MODELS)
        others = [r for r in answers.values() if r["raw_response"] not in unread]
        assert all(record["validation"]["is_fully_valid"] for record in others)
        assert all(record["extraction"]["reason"] is None for record in others)

        summary = read_object(collection.session / GROK / "summary.json")
        assert summary["overview"]["unread"] == len(ways)
        status = await run("resume_collection.py", str(collection.session), "--status")
        for said in (finished.stdout, status.stdout):
            assert f"and are kept raw: {len(ways)} of {GROK}" in " ".join(said.split())
        assert "reply not read" in (collection.session / "report.html").read_text()

        arrived = server.arrived
        again = await (await collection.resume()).finished()
        assert "Nothing was sent" in again.stdout and server.arrived == arrived
    assert check_agreement(collection.session) == answers


@pytest.mark.slow
async def test_a_session_that_a_waiting_reply_would_hold_up_goes_on(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path, "--max-concurrent", "1")
        program = await collection.start()
        await server.has_given(6)
        server.open.clear()
        await server.holds(len(MODELS))  # so everything before is written
        await program.killed()
        server.open.set()
        (answered, *_) = lines_of(collection.session / GROK / "sums.jsonl")
        waits = f"sums_{PROBLEMS}"
        bricks = {"segfault": waits, "spin": f"sums_{PROBLEMS - 1}"}
        with (collection.session / "pending_extraction.jsonl").open("a") as file:
            for way, task in bricks.items():
                record = {
                    **answered,
                    "task_id": task,
                    "raw_response": hurting_reply(way),
                    "extracted_solution": "",
                    "validation": {},
                    "extraction": None,
                }
                file.write(json.dumps(record) + "\n")
        arrived = server.arrived
        resumed = await (await collection.resume(wrapper=HURTING)).finished()
        assert resumed.exit_code == 0, resumed.output
        assert server.given[GROK, waits] == 0 and server.arrived > arrived
    answers = check_agreement(collection.session)
    assert len(answers) == PROBLEMS * len(MODELS)
    reasons = {way: answers[GROK, task]["extraction"]["reason"] for way, task in bricks.items()}
    assert reasons == {way: REASONS[way] for way in bricks}
    assert len(given_up(answers)) == 2
    assert not (collection.session / "pending_extraction.jsonl").exists()


@pytest.mark.slow
async def test_a_second_signal_waits_for_no_reading(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        server.script("xai", *(saying(hurting_reply("sleep")) for _ in range(3)))
        collection = collection_of(server, tmp_path)
        program = await collection.start(wrapper=HURTING)
        # Both readers are asleep; whatever else has to be read waits for them.
        await server.has_given(3 * PROBLEMS - 1 - 3)
        program.send(SIGINT)
        await program.says("Ctrl-C again stops now")
        program.send(SIGINT)
        finished = await program.finished()
        assert finished.exit_code == 130, finished.output
        waiting = lines_of(collection.session / "pending_extraction.jsonl")
        assert len(waiting) == 3
        resumed = await (await collection.resume()).finished()
        assert resumed.exit_code == 0, resumed.output
        for record in waiting:
            assert server.given[record["requested_model"], record["task_id"]] == 0
    answers = check_agreement(collection.session)
    assert len(answers) == PROBLEMS * len(MODELS) and given_up(answers) == {}


# No process can be started any more once the command runs.
WITHOUT_PROCESSES = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.executable = "/no/python"
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
async def test_where_no_worker_can_be_started_long_replies_wait_on_the_disk(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        server.script("xai", saying(LONG), saying(LONG))
        collection = collection_of(server, tmp_path)
        finished = await (await collection.start(wrapper=WITHOUT_PROCESSES)).finished()
        assert finished.exit_code == 1, finished.output
        assert finished.output.count("no worker process can be started") == 1
        assert "2 tasks undone" in finished.stdout
        waiting = lines_of(collection.session / "pending_extraction.jsonl")
        assert [record["raw_response"] for record in waiting] == [LONG, LONG]
        arrived = server.arrived
        resumed = await (await collection.resume()).finished()
        assert resumed.exit_code == 0, resumed.output
        assert server.arrived == arrived
    assert len(check_agreement(collection.session)) == PROBLEMS * len(MODELS)


@pytest.mark.slow
async def test_reprocessing_tries_again_with_other_bounds(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        server.script("xai", *(saying(hurting_reply(way)) for way in QUICK))
        collection = collection_of(server, tmp_path)
        await (await collection.start(wrapper=HURTING)).finished()
        session = str(collection.session)
        script = ("reprocess_session.py", session, "--seconds-per-reply", "0.5", "--workers", "1")
        hurt = await (await Program.start(*script, environment={}, wrapper=HURTING)).finished()
        for way in QUICK:
            assert f"could not be read: {REASONS[way]}" in " ".join(hurt.stdout.split())
        assert f"grok-4.3 {PROBLEMS} 0 5 5" in " ".join(hurt.stdout.split()), hurt.output
        assert "allow them more seconds" in hurt.stdout
        read = await run(*script)
        assert "other code, not valid before, valid now" in read.stdout, read.output
        assert "could not be read" not in read.stdout


@pytest.mark.slow
async def test_many_huge_replies_at_once_fit_into_little_memory(tmp_path: Path) -> None:
    calls, megabytes = 24, 6
    async with WatchedServer(keeps_requests=False) as server:
        text = "def solve_1(value):\n    return value\n" + "# more\n" * (megabytes << 17)
        server.script("xai", *(saying(text + str(n)) for n in range(calls)))
        dataset = write_dataset(tmp_path / "data", {"sums": calls})
        program = await Program.start(
            "run_collection.py",
            *("--models", GROK, "--dataset-path", str(dataset), "--session-id", "s"),
            *("--output-dir", str(tmp_path / "out"), "--max-concurrent", str(calls)),
            environment={"XAI_API_KEY": "k" * 20, "XAI_BASE_URL": server.url("xai")},
            wrapper=SAYING_ITS_PEAK,
        )
        finished = await program.finished()
    assert finished.exit_code == 0, finished.output
    peak_mb = int(finished.stderr.rpartition("peak MB: ")[2])
    assert peak_mb < 400
    assert len(check_agreement(tmp_path / "out" / "s")) == calls


SAYING_ITS_PEAK = """
import atexit, runpy, sys
def say():
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("peak MB:", int(peak.split()[1]) // 1024, file=sys.stderr)
atexit.register(say)
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
