"""What a resume finds: waiting replies, finished sessions, others' sessions, changed datasets."""

import json
import os
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any

import pytest

from tests.support.command import run
from tests.support.datasets import problem_row, write_dataset
from tests.support.hostile_work import HURTING, hurting_reply
from tests.support.program import (
    JUMPING_CLOCK,
    MODELS,
    PATIENT,
    PROVIDERS,
    Collection,
    Program,
    possibly_billed,
)
from tests.support.provider_formats import Json
from tests.support.provider_server import Answer, Request
from tests.support.session_check import (
    answers_in,
    check_agreement,
    failures_in,
    lines_of,
    read_object,
)
from tests.support.slow import few
from tests.support.stepped_clock import until
from tests.support.store_records import solution
from tests.support.watched_server import WatchedServer

PROSE: Json = {
    "choices": [{"message": {"content": "I would use a loop."}, "finish_reason": "stop"}]
}


class ProseServer(WatchedServer):
    """Answers every problem in prose, so that an LLM has to be asked for the code."""

    def _next_answer(self, call: Request) -> Answer:
        answer = super()._next_answer(call)
        if call.provider == "openai":
            return answer
        return Answer(body=PROSE)


def pending_collection(server: WatchedServer, tmp_path: Path) -> tuple[Collection, dict[str, str]]:
    dataset = write_dataset(tmp_path / "data", {"sums": 4})
    collection = Collection(
        server, dataset, tmp_path / "out", "--extraction", "auto", "--max-concurrent", "2"
    )
    return collection, {
        "EXTRACTION_MODEL": "gpt-4o-mini",
        "EXTRACTION_API_KEY": "extraction-key-0123456789",
        "OPENAI_BASE_URL": server.url("openai"),
    }


async def all_replies_wait(server: WatchedServer, collection: Collection) -> None:
    """Return once each reply is on the disk, and as many questions about them as may be are out."""
    # Each of six workers: an answer, a question about it, and meanwhile another answer.
    await server.has_got(18)
    waiting = collection.session / "pending_extraction.jsonl"
    # Whole lines: the last one may be half written at any look.
    await until(lambda: waiting.exists() and waiting.read_bytes().count(b"\n") == 12)


@pytest.mark.slow
async def test_a_reply_that_waits_for_extraction_is_never_asked_for_again(tmp_path: Path) -> None:
    async with ProseServer() as server:
        collection, variables = pending_collection(server, tmp_path)
        server.hold = frozenset({"openai"})
        program = await collection.start(**variables)
        await all_replies_wait(server, collection)
        await program.killed()
        assert server.arrived == 18
        assert answers_in(collection.session) == {}
        asked = {key: server.given[key] for key in server.given if key[0] in MODELS}
        server.hold = frozenset()

        resumed = await (await collection.resume(**variables)).finished()
        assert resumed.exit_code == 0, resumed.output
        assert possibly_billed(resumed) == 13  # with the one that catches up
        for key in asked:
            assert server.given[key] == 1, "asked for again"
        answers = check_agreement(collection.session)
        assert len(answers) == 12
        assert {a["raw_response"] for a in answers.values()} == {"I would use a loop."}
        assert not (collection.session / "pending_extraction.jsonl").exists()


@pytest.mark.slow
async def test_an_interrupted_extraction_stays_pending(tmp_path: Path) -> None:
    async with ProseServer() as server:
        collection, variables = pending_collection(server, tmp_path)
        server.hold = frozenset({"openai"})
        program = await collection.start(wrapper=PATIENT, **variables)
        await all_replies_wait(server, collection)
        program.send(SIGINT)
        await program.says("Interrupted")
        program.send(SIGTERM)
        finished = await program.finished()
        assert finished.exit_code == 130, finished.output
        server.hold = frozenset()
        resumed = await (await collection.resume(**variables)).finished()
        assert resumed.exit_code == 0, resumed.output
        assert {count for (model, _), count in server.given.items() if model in MODELS} == {1}
        assert len(check_agreement(collection.session)) == 12


@pytest.mark.slow
async def test_a_long_reply_is_on_the_disk_before_it_is_read(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 1})
    text = hurting_reply("kill_the_owner")
    long: Json = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    async with WatchedServer() as server:
        for provider in PROVIDERS:
            server.script(provider, Answer(body=long))
        collection = Collection(server, dataset, tmp_path / "out")
        program = await collection.start(wrapper=HURTING)
        await program.finished()
        # The kill may have met another reply in the middle of its line.
        content = (collection.session / "pending_extraction.jsonl").read_bytes()
        waiting = [json.loads(line) for line in content.split(b"\n")[:-1]]
        assert waiting and {record["raw_response"] for record in waiting} == {text}
        arrived = server.arrived
        resumed = await (await collection.resume()).finished()
        assert resumed.exit_code == 0, resumed.output
        assert server.arrived == arrived + 3 - len(waiting)
    answers = check_agreement(collection.session)
    assert {record["extraction"]["method"] for record in answers.values()} == {"fence"}
    assert len(answers) == 3


# The rules as a fault of their own would have them.
BROKEN_RULES = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0] + "/..")
import processors.reading.bounded_reader
def read_reply(reply):
    raise RuntimeError("broken")
processors.reading.bounded_reader.read_reply = read_reply
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
async def test_a_reply_outlives_a_fault_of_the_rules(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 2})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, tmp_path / "out", "--max-concurrent", "1")
        program = await collection.start(wrapper=BROKEN_RULES)
        finished = await program.finished()
        assert finished.exit_code == 0, finished.output
        assert set(server.given.values()) == {1}
    answers = check_agreement(collection.session)
    assert len(answers) == 6
    for record in answers.values():
        assert record["raw_response"] and record["extracted_solution"] == ""
        assert record["extraction"]["reason"] == "RuntimeError: broken"
    again = await run("reprocess_session.py", str(collection.session))
    assert again.stdout.count("other code, not valid before, valid now") == 6


async def finished_session(tmp_path: Path, server: WatchedServer, *flags: str) -> Collection:
    dataset = write_dataset(tmp_path / "data", {"sums": 3})
    collection = Collection(server, dataset, tmp_path / "out", *flags)
    finished = await (await collection.start()).finished()
    assert finished.exit_code == 0, finished.output
    return collection


@pytest.mark.slow
async def test_a_run_that_was_killed_before_its_summaries_gets_them(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        collection = await finished_session(tmp_path, server)
        session = collection.session
        for name in ("summary.json", "progress.json"):
            content = (session / name).read_text().replace('"completed"', '"in_progress"')
            (session / name).write_text(content)
        (session / "final_report.json").unlink()
        (session / "cross_model_comparison.json").unlink()
        (session / MODELS[0] / "sums.csv").write_text("task_id,")
        arrived = server.arrived
        resumed = await (await collection.resume()).finished()
        assert resumed.exit_code == 0, resumed.output
        assert "is finished: every task is answered. Nothing was sent" in resumed.stdout
        assert server.arrived == arrived
    check_agreement(session)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "progress.json",
        "summary.json",
        "manifest.json",
        "final_report.json",
        "cross_model_comparison.json",
        f"{MODELS[0]}/summary.json",
        f"{MODELS[0]}/sums.csv",
    ],
)
@pytest.mark.parametrize("damage", few(["emptied", "deleted"], 1))
async def test_a_finished_session_gets_back_what_was_derived(
    tmp_path: Path, name: str, damage: str
) -> None:
    async with WatchedServer() as server:
        collection = await finished_session(tmp_path, server)
        report = (collection.session / "final_report.json").read_bytes()
        lines = {p: p.read_bytes() for p in collection.session.glob("*/*.jsonl")}
        if damage == "deleted":
            (collection.session / name).unlink()
        else:
            (collection.session / name).write_bytes(b"")
        arrived = server.arrived
        resumed = await (await collection.resume()).finished()
        assert resumed.exit_code == 0, resumed.output
        assert server.arrived == arrived
    check_agreement(collection.session)
    assert lines == {p: p.read_bytes() for p in collection.session.glob("*/*.jsonl")}
    if "/" in name or name.startswith("cross"):
        assert (collection.session / "final_report.json").read_bytes() == report


@pytest.mark.slow
async def test_a_finished_whole_session_is_left_alone(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        collection = await finished_session(tmp_path, server)
        before = {p: p.read_bytes() for p in collection.session.rglob("*") if p.is_file()}
        resumed = await (await collection.resume()).finished()
    assert resumed.exit_code == 0, resumed.output
    after = {p: p.read_bytes() for p in collection.session.rglob("*") if p.is_file()}
    assert after == before


@pytest.mark.slow
async def test_a_second_process_is_refused_with_the_first_ones_id(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 4})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, tmp_path / "out")
        server.open.clear()
        program = await collection.start()
        await server.has_got(1)
        second = await (await collection.resume()).finished()
        assert second.exit_code == 1
        assert second.stderr == (
            f"error: session s is in use by process {program.pid}: wait for it or stop it\n"
        )
        await program.killed()
        server.open.set()
        third = await (await collection.resume()).finished()  # a dead process holds nothing
        assert third.exit_code == 0, third.output
    assert len(check_agreement(collection.session)) == 12


@pytest.mark.slow
async def test_a_changed_dataset_is_named_and_needs_leave(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 6})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, tmp_path / "out", "--max-concurrent", "1")
        program = await collection.start()
        await server.has_given(5)
        await program.killed()
        kept = answers_in(collection.session)
        rows = [problem_row(f"sums_{n}", category="sums") for n in (1, 2, 3, 4, 7)]
        rows[1]["problem"] = "Write `func`, the sums_2 of all, that returns nothing."
        (dataset / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        refused = await (await collection.resume()).finished()
        assert refused.exit_code == 2
        (line,) = refused.stderr.splitlines()
        for words in ("sums_2 changed", "sums_7 is new", "sums_5 is gone", "sums_6 is gone"):
            assert words in line
        assert "--accept-dataset-changes" in line
        assert answers_in(collection.session) == kept

        given = server.given_in_all
        program = await collection.resume("--accept-dataset-changes")
        await server.has_given(given + 1)
        await program.killed()
        last = await (await collection.resume()).finished()  # nobody is asked a second time
        assert last.exit_code == 0, last.output
    answers = answers_in(collection.session)
    for model in MODELS:
        assert {f"sums_{n}" for n in (1, 2, 3, 4, 7)} <= {t for m, t in answers if m == model}


@pytest.mark.slow
async def test_tasks_that_are_gone_hide_none_that_are_left(tmp_path: Path) -> None:
    """Answers to problems that are gone do not count for those that took their place."""
    async with WatchedServer() as server:
        collection = await finished_session(tmp_path, server, "--max-concurrent", "1")
        manifest = read_object(collection.session / "manifest.json")
        rows = [problem_row(f"sums_{n}", category="sums") for n in (4, 5, 6)]
        (tmp_path / "data" / "sums.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows)
        )
        manifest["metadata"]["dataset"] = {f"sums_{n}": "0" * 16 for n in (4, 5, 6)}
        (collection.session / "manifest.json").write_text(json.dumps(manifest))
        server.open.clear()
        program = await collection.resume("--accept-dataset-changes", wrapper=PATIENT)
        await server.has_got(12)
        program.send(SIGINT)
        await program.says("Interrupted")
        program.send(SIGINT)
        stopped = await program.finished()
        assert stopped.exit_code == 130, stopped.output
        assert "9 tasks undone" in stopped.stdout
        assert read_object(collection.session / "progress.json")["status"] == "in_progress"
        server.open.set()
        last = await (await collection.resume()).finished()
        assert last.exit_code == 0, last.output
        assert len(answers_in(collection.session)) == 18


@pytest.mark.slow
async def test_a_newer_session_is_refused_and_an_older_one_read(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        collection = await finished_session(tmp_path, server)
        session = collection.session
        summary = read_object(session / "summary.json")
        hashes = read_object(session / "manifest.json")["metadata"]["dataset"]
        for command in (("s",), ("s", "--status")):
            (session / "summary.json").write_text(json.dumps({**summary, "format_version": 99}))
            arguments = (*command, "--output-dir", str(collection.output))
            refused = await run("resume_collection.py", *arguments)
            assert refused.exit_code == 1
            (line,) = refused.stderr.splitlines()
            assert "format version 99" in line and "use a newer release" in line
        listed = await run(
            "resume_collection.py", "--list-sessions", "--output-dir", str(collection.output)
        )
        assert listed.exit_code == 0 and "broken" in listed.stdout

        # As guide.md shows it: no format_version, no manifest, only the guide's own fields.
        (session / "manifest.json").unlink()
        del summary["format_version"], summary["status"]
        for name in ("progress.json", "final_report.json", "cross_model_comparison.json"):
            (session / name).unlink()
        for path in session.glob("*/*.jsonl"):
            path.write_text("".join(guide_line(line) for line in lines_of(path)[:2]))
        (session / "summary.json").write_text(json.dumps(summary))
        resumed = await (await collection.resume()).finished()
        assert resumed.exit_code == 0, resumed.output
        assert sum(count == 2 for count in server.given.values()) == len(MODELS)
    assert len(check_agreement(session)) == 9
    assert read_object(session / "manifest.json")["metadata"]["dataset"] == hashes


def guide_line(record: dict[str, Any]) -> str:
    fields = (
        *("task_id", "model", "problem", "category", "complexity", "raw_response"),
        *("extracted_solution", "validation", "llm_call_success", "execution_time", "timestamp"),
    )
    return json.dumps({field: record[field] for field in fields}) + "\n"


@pytest.mark.slow
async def test_a_clock_that_jumps_spoils_no_run(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 20})
    async with WatchedServer(fault_rate=0.2) as server:
        collection = Collection(server, dataset, tmp_path / "out")
        program = await collection.start(wrapper=JUMPING_CLOCK)
        await server.has_given(20)
        await program.killed()
        finished = await (await collection.resume(wrapper=JUMPING_CLOCK)).finished()
    assert finished.exit_code == 0, finished.output
    answers = check_agreement(collection.session)
    assert len(answers) == 60
    assert all(0 <= record["execution_time"] < 60 for record in answers.values())
    assert all(0 <= record["wait_time"] < 60 for record in answers.values())
    assert read_object(collection.session / "final_report.json")["total_duration"] >= 0


@pytest.mark.slow
async def test_stray_records_of_other_models_stop_no_resume(tmp_path: Path) -> None:
    """A line of a model that the session never asked, in any of its files."""
    dataset = write_dataset(tmp_path / "data", {"sums": 3})
    async with WatchedServer() as server:
        collection = Collection(server, dataset, tmp_path / "out")
        program = await collection.start()
        await server.has_given(1)
        await program.killed()
        stray = _line(solution("sums_1", "gpt-9", "sums"))
        with (collection.session / "pending_extraction.jsonl").open("ab") as file:
            file.write(stray)
        (collection.session / "other").mkdir()
        (collection.session / "other" / "sums.jsonl").write_bytes(
            _line(solution("sums_2", "gpt-8", "sums"))
        )
        resumed = await (await collection.resume()).finished()
    assert resumed.exit_code == 0, resumed.output
    assert len(answers_in(collection.session)) == 11


def _line(record: Any) -> bytes:
    from storage.records.record_json import encode_solution

    return encode_solution(record)[1]


SESSION_IDS = [
    "a/b",
    "..",
    "../up",
    "x" * 300,
    "con",
    "🦙 run",
    "-rf",
    ".hidden",
    "a\nb",
    "\x1b[31m",
]


@pytest.mark.slow
@pytest.mark.parametrize("session_id", few(SESSION_IDS, 2))
async def test_a_hostile_session_id_stays_in_its_folder_and_can_be_resumed(
    tmp_path: Path, session_id: str
) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 2})
    output = tmp_path / "deep" / "out"
    async with WatchedServer() as server:
        collection = Collection(server, dataset, output)
        named = f"--session-id={session_id}"
        environment = collection.environment
        program = await Program.start(
            "run_collection.py",
            *("--models", *MODELS, "--dataset-path", str(dataset), named),
            *("--output-dir", str(output), "--max-concurrent", "1"),
            environment=environment,
        )
        await server.has_given(2)
        await program.killed()
        (session,) = output.iterdir()
        resumed = await run(
            "resume_collection.py",
            *("--output-dir", str(output), "--", session_id),
            environment=environment,
        )
        assert resumed.exit_code == 0, resumed.output
        assert len(check_agreement(session)) == 6
        by_folder = await run(
            "resume_collection.py",
            *("--output-dir", str(output), "--status", "--", str(session) + os.sep),
        )
        assert by_folder.exit_code == 0, by_folder.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "deep"]
    assert "\x1b" not in resumed.output
    assert failures_in(session) == {}
