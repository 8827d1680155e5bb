"""summary.json of sessions and models, field by field against guide.md."""

import hashlib
import time
from pathlib import Path

from storage.sessions import create_session
from storage.solution_store import SolutionStore
from tests.support.store_records import (
    START,
    HandClock,
    failure,
    metadata,
    read_json,
    solution,
    validation,
)

BROKEN = validation(valid=False, parses=False)
MISNAMED = validation(valid=False)


def collected(tmp_path: Path) -> SolutionStore:
    clock = HandClock()
    store = create_session(tmp_path, "session_1234567890", metadata(), clock=clock)
    store.append(solution("dataclass_1", seconds=1.0))
    store.append(solution("dataclass_2", seconds=2.0, verdict=MISNAMED, finish_reason="length"))
    store.append(solution("typing_1", category="typing", seconds=6.0, verdict=BROKEN))
    store.append_failure(failure("typing_2", category="typing"))
    store.append(solution("dataclass_1", "claude-3-sonnet", finish_reason="refusal", code=""))
    clock.advance(145.0)
    return store


def test_the_session_summary_has_guides_shape(tmp_path: Path) -> None:
    store = collected(tmp_path)
    store.finish()
    summary = read_json(store.path / "summary.json")
    dataset_hash = hashlib.sha256(b"dataclass_1\0" + b"0011223344556677").hexdigest()[:16]
    assert list(summary) == [
        "format_version",
        "session_id",
        "status",
        "collection_metadata",
        "model_summaries",
        "spending",
        "collection_date",
    ]
    assert summary["spending"] == {"answers_usd": 0.0, "reserved_usd": 0.0, "held_usd": {}}
    assert summary["format_version"] == 1
    assert summary["session_id"] == "session_1234567890"
    assert summary["status"] == "completed"
    assert summary["collection_metadata"] == {
        "collection_start": START,
        "collection_end": START + 145,
        "total_problems": 4,
        "models_evaluated": ["gpt-4", "claude-3-sonnet"],
        "categories_included": ["dataclass", "typing"],
        "session_id": "session_1234567890",
        "session_parameters": {
            "models": ["gpt-4", "claude-3-sonnet"],
            "quick_test": True,
            "batch_size": 10,
        },
        "dataset": {
            "problems": 1,
            "content_hash": dataset_hash,
            "hashes_in": "manifest.json",
        },
    }
    assert summary["collection_date"] == time.strftime(
        "%Y-%m-%d %H:%M:%S", time.localtime(1234567890)
    )


def test_rates_count_failed_calls_as_attempted(tmp_path: Path) -> None:
    store = collected(tmp_path)
    store.finish()
    summaries = read_json(store.path / "summary.json")["model_summaries"]
    assert isinstance(summaries, dict)
    assert summaries["gpt-4"] == {
        "model_name": "gpt-4",
        "overview": {
            "total_problems": 4,
            "total_solutions": 3,
            "failed_calls": 1,
            "truncated": 1,
            "refused": 0,
            "empty": 0,
            "unread": 0,
            "categories_processed": ["dataclass", "typing"],
        },
        "overall_performance": {
            "success_rate": 25.0,
            "answered_rate": 75.0,
            "valid_rate": 25.0,
            "syntax_validity_rate": 50.0,
            "truncation_rate": 33.3,
            "avg_execution_time": 3.0,
        },
        "category_performance": {
            "dataclass": rates(answered=100.0, valid=50.0, parses=100.0),
            "typing": rates(answered=50.0, valid=0.0, parses=0.0),
        },
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "cost_usd": 0.0,
            "solutions_without_cost": 3,
        },
    }
    assert summaries["claude-3-sonnet"]["overview"]["refused"] == 1
    assert summaries["claude-3-sonnet"]["overview"]["empty"] == 1
    for model in ("gpt-4", "claude-3-sonnet"):
        assert read_json(store.path / model / "summary.json") == summaries[model]


def rates(*, answered: float, valid: float, parses: float) -> dict[str, float]:
    return {
        "success_rate": valid,
        "answered_rate": answered,
        "valid_rate": valid,
        "syntax_validity_rate": parses,
    }


def test_a_running_or_interrupted_session_says_so(tmp_path: Path) -> None:
    store = create_session(tmp_path, "s", metadata())
    opened = read_json(store.path / "summary.json")
    assert opened["status"] == "in_progress"
    store.finish("in_progress")
    stopped = read_json(store.path / "summary.json")
    assert stopped["status"] == "in_progress"
    described = stopped["collection_metadata"]
    assert isinstance(described, dict)
    assert described["collection_end"] is None


def test_a_model_that_only_failed_stands_in_the_summary(tmp_path: Path) -> None:
    store = create_session(tmp_path, "s", metadata())
    store.append_failure(failure("dataclass_1", "claude-3-sonnet"))
    store.finish("failed")
    summaries = read_json(store.path / "summary.json")["model_summaries"]
    assert isinstance(summaries, dict)
    assert summaries["claude-3-sonnet"]["overview"]["failed_calls"] == 1
    assert summaries["claude-3-sonnet"]["overall_performance"]["success_rate"] == 0.0


def test_a_checkpoint_refreshes_the_summary_of_models_with_news(tmp_path: Path) -> None:
    store = create_session(tmp_path, "s", metadata())
    store.append(solution("t1"))
    store.checkpoint()
    overview = read_json(store.path / "gpt-4" / "summary.json")["overview"]
    assert isinstance(overview, dict)
    assert overview["total_solutions"] == 1
    assert not (store.path / "claude-3-sonnet").exists()


def test_without_a_manifest_the_summary_tells_what_the_files_say(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s", clock=HandClock())
    store.add_single_solution("t1", "gpt-4", {"category": "typing"})
    store.save_analysis_summary()
    described = read_json(store.path / "summary.json")["collection_metadata"]
    assert isinstance(described, dict)
    assert described["models_evaluated"] == ["gpt-4"]
    assert described["categories_included"] == ["typing"]
    assert described["total_problems"] == 1
    assert described["session_parameters"] == {}
