"""Whether every derived file of a session says what its .jsonl files say, by other parsers."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

Answers = dict[tuple[str, str], dict[str, Any]]


def answers_in(session: Path) -> Answers:
    """Return (model, task) -> record; a line that is no JSON, or a second answer, fails.

    task: the task_id, from the second sample on with "#" and its number.
    """
    found: Answers = {}
    for path in sorted(session.glob("*/*.jsonl")):
        for record in lines_of(path):
            key = _key(record)
            assert key not in found, f"{key} is answered twice"
            found[key] = record
    return found


def failures_in(session: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (model, task) -> last failure of the tasks that have no answer."""
    answered = answers_in(session)
    lines = lines_of(session / "failures.jsonl")
    last = {_key(line): line for line in lines}
    return {key: failure for key, failure in last.items() if key not in answered}


def _key(record: dict[str, Any]) -> tuple[str, str]:
    sample = record.get("sample", 1)  # sessions from before samples have none
    suffix = f"#{sample}" if sample > 1 else ""
    return record["model"], f"{record['task_id']}{suffix}"


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return a .jsonl file's lines, none where there is no file; the last one must be whole."""
    if not path.exists():
        return []
    content = path.read_bytes()
    assert not content or content.endswith(b"\n"), f"{path} ends in the middle of a line"
    return [json.loads(line) for line in content.decode("utf-8").split("\n") if line]


def read_object(path: Path) -> dict[str, Any]:
    """Return a file's JSON object."""
    loaded = json.loads(path.read_bytes())
    assert isinstance(loaded, dict)
    return loaded


def check_agreement(session: Path) -> Answers:
    """Return the answers, once every derived file was found to agree with them."""
    answers, failures = answers_in(session), failures_in(session)
    _check_progress(session, answers, failures)
    _check_csv(session)
    _check_summaries(session, answers, failures)
    _check_comparison(session, answers)
    assert list(session.rglob("*.tmp")) == []
    return answers


def _check_progress(session: Path, answers: Answers, failures: Answers) -> None:
    progress = read_object(session / "progress.json")
    now = progress["current_progress"]
    assert sorted(now["completed_task_ids"]) == _full_ids(answers)
    assert sorted(now["failed_task_ids"]) == _full_ids(failures)
    assert (now["successful_tasks"], now["failed_tasks"]) == (len(answers), len(failures))
    assert now["completed_tasks"] == len(answers) + len(failures)
    by_model = Counter(model for model, _ in answers)
    for model in progress["models"]:
        assert now["model_progress"][model]["successful"] == by_model[model]
    assert progress["in_flight"] == 0
    done = len(answers) + len(failures) == progress["total_tasks"]
    assert (progress["status"] == "in_progress") is not done
    assert (session / "final_report.json").exists() is done
    if done:
        report = read_object(session / "final_report.json")
        assert report["progress"]["successful"] == len(answers)
        assert report["progress"]["failed"] == len(failures)


def _check_csv(session: Path) -> None:
    csv.field_size_limit(2**27)
    for path in session.glob("*/*.jsonl"):
        with path.with_suffix(".csv").open(newline="", encoding="utf-8") as lines:
            rows = [row["task_id"] for row in csv.DictReader(lines)]
        # No spreadsheet takes a NUL.
        ids = [record["task_id"].replace("\0", "\u2400") for record in lines_of(path)]
        assert rows == ids, path


def _check_summaries(session: Path, answers: Answers, failures: Answers) -> None:
    summary = read_object(session / "summary.json")
    assert summary["status"] == read_object(session / "progress.json")["status"]
    for model, described in summary["model_summaries"].items():
        own = [record for (name, _), record in answers.items() if name == model]
        failed = sum(name == model for name, _ in failures)
        overview, rates = described["overview"], described["overall_performance"]
        assert (overview["total_solutions"], overview["failed_calls"]) == (len(own), failed)
        valid = sum(record["validation"]["is_fully_valid"] for record in own)
        attempted = len(own) + failed
        assert rates["success_rate"] == (round(100 * valid / attempted, 1) if attempted else 0.0)
        if own:
            assert read_object(session / model / "summary.json") == described


def _check_comparison(session: Path, answers: Answers) -> None:
    comparison = read_object(session / "cross_model_comparison.json")
    models = comparison["summary"]["models_evaluated"]
    first, answered = {}, Counter[tuple[str, str]]()
    for row in comparison["problems"]:
        for model in models:
            key = model, row["task_id"]
            if row[f"{model}_valid"] is not None:
                first[key] = (row[f"{model}_valid"], row[f"{model}_time"])
            answered[key] = row.get(f"{model}_samples", {}).get("answered", int(key in first))
    assert first == {
        key: (record["validation"]["is_fully_valid"], _seconds(record))
        for key, record in answers.items()
        if record.get("sample", 1) == 1
    }
    assert +answered == Counter((model, r["task_id"]) for (model, _), r in answers.items())


def _seconds(record: dict[str, Any]) -> float | None:
    return None if record.get("batch") else record["execution_time"]


def _full_ids(tasks: Answers) -> list[str]:
    ids = []
    for model, task in tasks:
        task_id, mark, sample = task.partition("#")
        ids.append(f"{task_id}_{model}{mark}{sample}")
    return sorted(ids)
