"""A run from the command line against real loopback servers, its files read field by field."""

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_formats import Json
from tests.support.provider_server import Answer, ProviderServer

GPT, CLAUDE = "gpt-4o", "claude-haiku-4-5-20251001"
CLAUDE_NAME = "claude-haiku-4-5"
GROK, DEEPSEEK = "grok-4.7", "deepseek-flash"  # no SDK to load: their runs start at once
RECORD_FIELDS = {
    "task_id": str,
    "model": str,
    "problem": str,
    "category": str,
    "complexity": int,
    "raw_response": str,
    "extracted_solution": str,
    "validation": dict,
    "llm_call_success": bool,
    "execution_time": float,
    "timestamp": float,
    "name": str,
    "object": str,
    "prompt_version": str,
    "parameters": dict,
    "requested_model": str,
    "served_model": str,
    "request_id": str,
    "finish_reason": str,
    "usage": dict,
    "cost_usd": float,
    "attempts": int,
    "wait_time": float,
    "extraction": dict,
}


def read(path: Path) -> dict[str, Any]:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def records(session: Path, model: str) -> list[dict[str, Any]]:
    files = sorted((session / model).glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


async def collect(tmp_path: Path, server: ProviderServer, *arguments: str) -> Path:
    finished = await run(
        "run_collection.py",
        *("--output-dir", str(tmp_path / "out"), *arguments),
        environment=pointed_at(server, "openai", "anthropic", "xai"),
    )
    assert finished.exit_code == 0, finished.output
    return finished.session


@pytest.mark.slow
async def test_three_hundred_tasks_and_every_file_of_the_guide(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"dataclass": 60, "typing": 50, "regex": 40})
    async with ProviderServer() as server:
        session = await collect(
            tmp_path, server, "--models", GPT, CLAUDE, "--dataset-path", str(dataset)
        )
        asked = [(call.provider, json.dumps(call.body)) for call in server.requests]
    assert len(asked) == len(set(asked)) == 300
    for model in (GPT, CLAUDE):
        check_records(session, model)
        check_csv(session, model)
    check_progress(session)
    check_final_report(session)
    check_summary(session, dataset)
    check_comparison(session)
    assert not (session / "failures.jsonl").exists()


def check_records(session: Path, model: str) -> None:
    found = records(session, model)
    assert len({record["task_id"] for record in found}) == len(found) == 150
    for record in found:
        for field, kind in RECORD_FIELDS.items():
            assert isinstance(record[field], kind), (field, record[field])
        assert record["model"] == record["requested_model"] == model
        assert record["validation"]["is_fully_valid"] is True
        assert record["validation"]["syntax"]["is_valid"] is True
        assert record["validation"]["syntax"]["error"] is None
        assert record["validation"]["structure"]["has_expected_name"] is True
        assert record["validation"]["structure"]["found_names"] == [record["name"]]
        assert record["validation"]["imports"]["has_imports"] is False
        assert record["validation"]["imports"]["from_imports"] == []
        assert record["validation"]["code_length"] == len(record["extracted_solution"])
        assert record["validation"]["line_count"] == 2
        assert record["extracted_solution"] in record["raw_response"]
        assert set(record["usage"]) == {
            "input_tokens",
            "cached_tokens",
            "output_tokens",
            "reasoning_tokens",
        }
        assert record["finish_reason"] == "stop"
        assert record["extraction"]["method"] and record["extraction"]["version"]
        assert record["parameters"]


def check_csv(session: Path, model: str) -> None:
    for file in (session / model).glob("*.jsonl"):
        with file.with_suffix(".csv").open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
        assert [row["task_id"] for row in rows] == [
            json.loads(line)["task_id"] for line in file.read_text().splitlines()
        ]


def check_progress(session: Path) -> None:
    progress = read(session / "progress.json")
    assert progress["session_id"] == session.name
    assert (progress["status"], progress["total_tasks"]) == ("completed", 300)
    assert progress["models"] == [GPT, CLAUDE]
    assert progress["categories"] == ["dataclass", "regex", "typing"]
    assert progress["start_time"] <= progress["last_saved"]
    current = progress["current_progress"]
    counts = ("completed_tasks", "total_tasks", "successful_tasks", "failed_tasks")
    assert [current[count] for count in counts] == [300, 300, 300, 0]
    assert len(set(current["completed_task_ids"])) == 300
    assert f"dataclass_1_{GPT}" in current["completed_task_ids"]
    assert "estimated_completion" in current
    for model in (GPT, CLAUDE):
        row = current["model_progress"][model]
        assert (row["completed"], row["successful"], row["failed"]) == (150, 150, 0)
        assert row["avg_time"] > 0 and row["last_error"] is None


def check_final_report(session: Path) -> None:
    report = read(session / "final_report.json")
    assert report["session_id"] == session.name
    assert report["progress"] == {
        "completed": 300,
        "total": 300,
        "successful": 300,
        "failed": 0,
        "progress_percent": 100.0,
        "success_rate": 100.0,
        "answered_rate": 100.0,
        "valid_rate": 100.0,
    }
    assert set(report["timing"]) == {
        "elapsed_time",
        "estimated_remaining",
        "estimated_total",
        "last_update",
    }
    assert report["model_progress"][GPT]["successful"] == 150
    assert report["status"] == "completed"
    assert report["end_time"] >= report["timing"]["last_update"]
    assert report["total_duration"] > 0


def check_summary(session: Path, dataset: Path) -> None:
    summary = read(session / "summary.json")
    assert summary["session_id"] == session.name
    metadata = summary["collection_metadata"]
    assert metadata["collection_start"] < metadata["collection_end"]
    assert metadata["total_problems"] == 150
    assert metadata["models_evaluated"] == [GPT, CLAUDE]
    assert metadata["categories_included"] == ["dataclass", "regex", "typing"]
    assert metadata["session_id"] == session.name
    parameters = metadata["session_parameters"]
    assert parameters["models"] == [GPT, CLAUDE_NAME]
    assert parameters["categories"] == [] and parameters["quick_test"] is False
    assert parameters["dataset_path"] == str(dataset)
    assert (parameters["batch_size"], parameters["max_concurrent_per_model"]) == (10, 3)
    assert parameters["output_dir"] == str(session.parent)
    for model in (GPT, CLAUDE):
        row = summary["model_summaries"][model]
        assert row["model_name"] == model
        assert row["overview"]["total_problems"] == row["overview"]["total_solutions"] == 150
        assert row["overview"]["categories_processed"] == ["dataclass", "regex", "typing"]
        assert row["overall_performance"]["success_rate"] == 100.0
        assert row["overall_performance"]["syntax_validity_rate"] == 100.0
        assert row["overall_performance"]["avg_execution_time"] > 0
        assert row["category_performance"]["typing"]["success_rate"] == 100.0
        assert read(session / model / "summary.json")["model_name"] == model
    assert summary["collection_date"]


def check_comparison(session: Path) -> None:
    comparison = read(session / "cross_model_comparison.json")
    assert comparison["summary"]["session_id"] == session.name
    assert comparison["summary"]["models_evaluated"] == [GPT, CLAUDE]
    assert comparison["summary"]["categories_processed"] == ["dataclass", "regex", "typing"]
    assert comparison["summary"]["total_problems"] == len(comparison["problems"]) == 150
    for row in comparison["problems"]:
        assert row["task_id"] and row["problem"] and row["category"]
        for model in (GPT, CLAUDE):
            assert row[f"{model}_valid"] is True and row[f"{model}_time"] > 0


@pytest.mark.slow
async def test_running_twice_makes_two_sessions(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 2})
    arguments = ("--models", GROK, "--dataset-path", str(dataset))
    async with ProviderServer() as server:
        first, second = await asyncio.gather(
            collect(tmp_path, server, *arguments), collect(tmp_path, server, *arguments)
        )
    assert first != second
    assert len(records(first, GROK)) == len(records(second, GROK)) == 2


@pytest.mark.slow
async def test_failures_are_kept_apart_and_a_resume_tries_them_again(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 3})
    async with ProviderServer() as server:
        environment = pointed_at(server, "xai")
        server.script("xai", Answer(status=400, body={"error": {"message": "no such luck"}}))
        finished = await run(
            "run_collection.py",
            *("--models", GROK, "--dataset-path", str(dataset)),
            *("--output-dir", str(tmp_path / "out"), "--max-concurrent", "1"),
            environment=environment,
        )
        assert finished.exit_code == 1, finished.output
        session = finished.session
        (failure,) = map(json.loads, (session / "failures.jsonl").read_text().splitlines())
        assert (failure["task_id"], failure["model"]) == ("sums_1", GROK)
        assert failure["category"] == "sums" and failure["error"] == "BadRequest"
        assert "no such luck" in failure["message"]
        (attempt,) = failure["attempts"]
        assert attempt["status"] == 400 and attempt["seconds"] > 0
        assert read(session / "progress.json")["status"] == "completed"
        assert read(session / "final_report.json")["progress"]["success_rate"] == 66.7
        assert f"resume_collection.py {session.name}" in finished.stdout

        again = await run(
            "resume_collection.py",
            *(session.name, "--output-dir", str(tmp_path / "out")),
            environment=environment,
        )
        assert again.exit_code == 0, again.output
        assert len(server.requests) == 4
        assert len(records(session, GROK)) == 3

        finished = await run(
            "resume_collection.py", session.name, "--output-dir", str(tmp_path / "out")
        )
        assert finished.exit_code == 0 and "is finished" in finished.stdout
        assert len(server.requests) == 4


@pytest.mark.slow
async def test_a_key_that_is_refused_closes_its_lane_and_the_others_go_on(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 5})
    refusal: Json = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
    async with ProviderServer() as server:
        server.script("xai", Answer(status=401, body=refusal))
        environment = pointed_at(server, "xai", "deepseek")
        finished = await run(
            "run_collection.py",
            *("--models", GROK, DEEPSEEK, "--dataset-path", str(dataset), "--max-concurrent", "1"),
            *("--output-dir", str(tmp_path / "out")),
            environment=environment,
        )
        assert finished.exit_code == 1, finished.output
        assert f"{GROK}: stopped early: " in finished.stdout
        session = finished.session
        assert len(records(session, DEEPSEEK)) == 5 and records(session, GROK) == []
        assert not (session / "failures.jsonl").exists()
        assert read(session / "progress.json")["status"] == "in_progress"
        assert not (session / "final_report.json").exists()
        resumed = await run(
            "resume_collection.py",
            *(session.name, "--output-dir", str(tmp_path / "out")),
            environment=environment,
        )
        assert resumed.exit_code == 0, resumed.output
        assert len(records(session, GROK)) == 5
        assert len(server.sent_to("deepseek")) == 5


@pytest.mark.slow
@pytest.mark.parametrize("quick", [False, True])
async def test_a_quick_test_asks_one_problem_a_category(tmp_path: Path, quick: bool) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 3, "words": 2})
    async with ProviderServer() as server:
        session = await collect(
            tmp_path,
            server,
            *("--models", GROK, "--dataset-path", str(dataset)),
            *(("--quick-test",) if quick else ()),
        )
    asked = [record["task_id"] for record in records(session, GROK)]
    assert sorted(asked) == (
        ["sums_1", "words_1"]
        if quick
        else sorted(["sums_1", "sums_2", "sums_3", "words_1", "words_2"])
    )
