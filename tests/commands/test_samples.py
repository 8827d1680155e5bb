"""Several answers to each problem: what is asked, what is kept, and how a session gets more."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.command import Finished, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.program import PROVIDERS
from tests.support.provider_server import Answer, Request
from tests.support.session_check import check_agreement, lines_of, read_object
from tests.support.tables import cells
from tests.support.watched_server import WatchedServer, task_of

GROK, DEEPSEEK = "grok-4.3", "deepseek-flash-chat"
REFUSED = Answer(status=400, body={"error": {"message": "no such thing"}})


class RefusesOnce(WatchedServer):
    """Refuses the first call about one task, for good."""

    def _next_answer(self, call: Request) -> Answer:
        if task_of(call.body) == "a_2" and not any(task == "a_2" for _, task in self.given):
            self.given[call.model, "a_2"] += 0  # so that later calls are answered
            return REFUSED
        return super()._next_answer(call)


async def collect(tmp_path: Path, server: WatchedServer, *flags: str, **more: str) -> Finished:
    dataset = write_dataset(tmp_path / "data", {"a": 2, "b": 1})
    return await run(
        "run_collection.py",
        *("--models", GROK, "--dataset-path", str(dataset), "--session-id", "s"),
        *("--output-dir", str(tmp_path / "out"), "--max-concurrent", "1", *flags),
        environment={**pointed_at(server, *PROVIDERS), **more},
    )


async def command(script: str, tmp_path: Path, server: WatchedServer, *flags: str) -> Finished:
    output = ("--output-dir", str(tmp_path / "out"))
    return await run(script, "s", *output, *flags, environment=pointed_at(server, *PROVIDERS))


@pytest.mark.slow
async def test_every_first_sample_comes_before_any_second(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        finished = await collect(tmp_path, server, "--samples", "3")
        asked = [task_of(call.body) for call in server.requests]
    assert finished.exit_code == 0, finished.output
    assert asked == ["a_1", "a_2", "b_1"] * 3
    assert "Total tasks to complete: 9" in finished.stdout


@pytest.mark.slow
async def test_records_ids_and_counts_know_the_sample(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        await collect(tmp_path, server, SAMPLES="2")
        status = await command("resume_collection.py", tmp_path, server, "--status")
    session = tmp_path / "out" / "s"
    assert len(check_agreement(session)) == 6
    kept = [(r["task_id"], r["sample"]) for r in lines_of(session / GROK / "a.jsonl")]
    assert sorted(kept) == [("a_1", 1), ("a_1", 2), ("a_2", 1), ("a_2", 2)]
    progress = read_object(session / "progress.json")["current_progress"]
    assert {f"a_1_{GROK}", f"a_1_{GROK}#2"} <= set(progress["completed_task_ids"])
    assert (progress["completed_tasks"], progress["total_tasks"]) == (6, 6)
    overview = read_object(session / "summary.json")["model_summaries"][GROK]["overview"]
    assert (overview["total_problems"], overview["problems_answered"]) == (3, 3)
    assert (overview["samples"], overview["total_solutions"]) == (2, 6)
    (row,) = (r for r in _comparison(session) if r["task_id"] == "a_1")
    assert row[f"{GROK}_valid"] is True
    assert row[f"{GROK}_samples"] == {"valid": 2, "answered": 2}
    with (session / GROK / "a.csv").open(newline="", encoding="utf-8") as lines:
        assert Counter(row["sample"] for row in csv.DictReader(lines)) == {"1": 2, "2": 2}
    assert status.stdout.splitlines()[2].split() == [GROK, "6", "6", "0", "0"]


@pytest.mark.slow
async def test_exports_have_the_sample(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        await collect(tmp_path, server, "--samples", "2")
        for form in ("jsonl", "runcodeeval"):
            exported = await command("export_session.py", tmp_path, server, "--format", form)
            assert exported.exit_code == 0, exported.output
    session = tmp_path / "out" / "s"
    rows = lines_of(session / "solutions.jsonl")
    assert Counter(row["sample"] for row in rows) == {1: 3, 2: 3}
    for sample in ("sample_1", "sample_2"):
        lines = lines_of(session / "runcodeeval" / sample / GROK / "a.jsonl")
        assert sorted(line["task_id"] for line in lines) == ["a_1", "a_2"]


@pytest.mark.slow
async def test_one_sample_leaves_no_trace_but_the_field(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        await collect(tmp_path, server)
    session = tmp_path / "out" / "s"
    overview = read_object(session / "summary.json")["model_summaries"][GROK]["overview"]
    assert not {"samples", "problems_answered"} & overview.keys()
    assert all(set(row) <= _GUIDE_COLUMNS for row in _comparison(session))
    record = lines_of(session / GROK / "a.jsonl")[0]
    assert list(record)[-4:] == ["requested_tier", "served_tier", "sample", "batch"]
    assert record["sample"] == 1


@pytest.mark.slow
async def test_a_finished_session_gets_more_samples(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        await collect(tmp_path, server)
        more = await command("resume_collection.py", tmp_path, server, "--samples", "3")
        assert more.exit_code == 0, more.output
        assert len(server.requests) == 9
        again = await command("resume_collection.py", tmp_path, server, "--samples", "3")
        fewer = await command("resume_collection.py", tmp_path, server, "--samples", "2")
        plain = await command("resume_collection.py", tmp_path, server)
        assert len(server.requests) == 9
    assert (again.exit_code, plain.exit_code, fewer.exit_code) == (0, 0, 2)
    assert "the session asks for 3 answers to each problem already" in fewer.stderr
    session = tmp_path / "out" / "s"
    assert len(check_agreement(session)) == 9
    manifest = read_object(session / "manifest.json")
    assert manifest["metadata"]["session_parameters"]["samples"] == 3


@pytest.mark.slow
async def test_a_session_from_before_samples_is_extended(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        await collect(tmp_path, server)
        session = tmp_path / "out" / "s"
        _make_old(session)
        more = await command("resume_collection.py", tmp_path, server, "--samples", "2")
        assert more.exit_code == 0, more.output
        assert len(server.requests) == 6
    assert len(check_agreement(session)) == 6


@pytest.mark.slow
async def test_a_sample_that_fails_is_asked_again_alone(tmp_path: Path) -> None:
    async with RefusesOnce() as server:
        first = await collect(tmp_path, server, "--samples", "2")
        session = tmp_path / "out" / "s"
        assert first.exit_code == 1, first.output
        (failure,) = lines_of(session / "failures.jsonl")
        assert (failure["task_id"], failure["sample"]) == ("a_2", 1)
        check_agreement(session)
        asked = len(server.requests)
        resumed = await command("resume_collection.py", tmp_path, server)
        assert len(server.requests) == asked + 1
    assert resumed.exit_code == 0, resumed.output
    assert len(check_agreement(session)) == 6


@pytest.mark.slow
async def test_a_dry_run_counts_every_sample(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        once = await collect(tmp_path, server, "--dry-run")
        thrice = await collect(tmp_path, server, "--dry-run", "--samples", "3")
    one, three = _estimate(once), _estimate(thrice)
    assert [round(three[place] / one[place], 2) for place in range(4)] == [3.0] * 4


@pytest.mark.slow
async def test_samples_at_temperature_zero_are_warned_of(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        cold = await collect(tmp_path, server, "--dry-run", "--samples", "2", "--temperature", "0")
        warm = await collect(tmp_path, server, "--dry-run", "--samples", "2")
    assert "at temperature 0 its 2 samples of a problem will be much alike" in cold.stdout
    assert "WARNING" not in warm.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", ["0", "10001", "two"])
async def test_a_number_of_samples_that_cannot_be_is_refused(tmp_path: Path, number: str) -> None:
    async with WatchedServer() as server:
        by_flag = await collect(tmp_path, server, "--samples", number)
        by_variable = await collect(tmp_path, server, SAMPLES=number)
        assert server.arrived == 0
    assert (by_flag.exit_code, by_variable.exit_code) == (2, 2)
    assert "SAMPLES" in by_variable.stderr


_GUIDE_COLUMNS = {"task_id", "problem", "category", f"{GROK}_valid", f"{GROK}_time"}


def _comparison(session: Path) -> list[dict[str, object]]:
    problems = read_object(session / "cross_model_comparison.json")["problems"]
    assert isinstance(problems, list)
    return problems


def _estimate(finished: Finished) -> list[float]:
    row = cells(finished.stdout)[GROK]
    headings = ("tasks", "tokens in", "out expected", "out at worst")
    return [float(row[heading].replace(",", "")) for heading in headings]


def _make_old(session: Path) -> None:
    """Take the field out of every record, and the setting out of the session."""
    for path in session.glob("*/*.jsonl"):
        rows = lines_of(path)
        for row in rows:
            del row["sample"]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for name in ("manifest.json", "summary.json"):
        content = read_object(session / name)
        described = content.get("metadata") or content["collection_metadata"]
        del described["session_parameters"]["samples"]
        (session / name).write_text(json.dumps(content), encoding="utf-8")
