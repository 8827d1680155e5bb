"""Records and sessions for tests of the store."""

import json
from collections.abc import Mapping
from pathlib import Path

from storage.records.solution_record import (
    AttemptRecord,
    FailureRecord,
    FinishReason,
    SolutionRecord,
    TaskKey,
)
from storage.session.manifest import SessionMetadata
from storage.solution_store import SolutionStore

START = 1_234_567_890.123


class HandClock:
    """A clock that stands still until the test moves it on; sleeping moves it on too."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wall = START

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


def validation(*, valid: bool = True, parses: bool = True) -> dict[str, object]:
    return {
        "is_fully_valid": valid,
        "syntax": {"is_valid": parses, "error": None if parses else "invalid syntax"},
        "structure": {"has_expected_name": valid, "found_names": ["SimpleData"]},
        "imports": {"has_imports": True, "from_imports": ["dataclasses.dataclass"]},
        "code_length": 90,
        "line_count": 6,
    }


def solution(
    task_id: str = "dataclass_1",
    model: str = "gpt-4",
    category: str = "dataclass",
    *,
    raw_response: str = "Here's the solution:\n\n```python\npass\n```",
    code: str = "pass\n",
    problem: str = "Create a dataclass",
    verdict: Mapping[str, object] | None = None,
    finish_reason: FinishReason = "stop",
    seconds: float = 2.0,
    cost_usd: float | None = None,
) -> SolutionRecord:
    return SolutionRecord(
        task_id=task_id,
        model=model,
        problem=problem,
        category=category,
        complexity=2,
        raw_response=raw_response,
        extracted_solution=code,
        validation=validation() if verdict is None else verdict,
        llm_call_success=True,
        execution_time=seconds,
        timestamp=START,
        parameters={"temperature": 0.2},
        finish_reason=finish_reason,
        cost_usd=cost_usd,
    )


def failure(
    task_id: str = "dataclass_1", model: str = "gpt-4", category: str = "dataclass"
) -> FailureRecord:
    attempt = AttemptRecord(started=START, seconds=1.5, wait_seconds=0.0, status=503, error="Busy")
    return FailureRecord(
        task_id=task_id,
        model=model,
        category=category,
        error="Overloaded",
        message="503: come back later",
        attempts=[attempt],
        timestamp=START,
    )


def metadata(
    models: tuple[str, ...] = ("gpt-4", "claude-3-sonnet"),
    categories: tuple[str, ...] = ("dataclass", "typing"),
    total_problems: int = 4,
) -> SessionMetadata:
    return SessionMetadata(
        collection_start=START,
        total_problems=total_problems,
        models=list(models),
        categories=list(categories),
        session_parameters={"models": list(models), "quick_test": True, "batch_size": 10},
        dataset={"dataclass_1": "0011223344556677"},
    )


def read_lines(path: Path) -> list[dict[str, object]]:
    """Return a .jsonl file's lines by another parser than the store's; every line must be JSON."""
    return [json.loads(line) for line in path.read_bytes().decode("utf-8").splitlines()]


def read_json(path: Path) -> dict[str, object]:
    loaded = json.loads(path.read_bytes().decode("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def answers_on_disk(store: SolutionStore) -> dict[tuple[str, str, str], str]:
    """Return (model, category, task_id) -> raw reply of every line; a doubled one fails."""
    found: dict[tuple[str, str, str], str] = {}
    for path in store.path.glob("*/*.jsonl"):
        for line in read_lines(path):
            key = (str(line["model"]), str(line["category"]), str(line["task_id"]))
            assert key not in found, f"{key} is there twice"
            found[key] = str(line["raw_response"])
    return found


def first_samples(*task_ids: str) -> set[TaskKey]:
    """Return the tasks as a store names them where every model was asked once."""
    return {(task_id, 1) for task_id in task_ids}
