"""progress.json and final_report.json, field by field against guide.md."""

import json
import threading
from pathlib import Path

import pytest

from config.errors import StoreError
from storage.progress_tracker import ProgressTracker
from storage.session.completed_ids import MOST_LISTED_IDS
from storage.session.progress_file import read_progress
from storage.sessions import create_session, list_sessions
from storage.solution_store import SolutionStore
from tests.support.store_records import (
    START,
    HandClock,
    failure,
    metadata,
    read_json,
    solution,
)

MODELS = ["gpt-4", "claude-3-sonnet"]


def tracker_for(
    folder: Path, clock: HandClock, total_tasks: int = 24, most_listed: int = MOST_LISTED_IDS
) -> ProgressTracker:
    return ProgressTracker(
        folder,
        session_id="session_1234567890",
        start_time=START,
        total_tasks=total_tasks,
        models=MODELS,
        categories=["dataclass", "typing"],
        clock=clock,
        most_listed=most_listed,
    )


def saved_progress(tracker: ProgressTracker, folder: Path) -> dict[str, object]:
    tracker.save()
    current = read_json(folder / "progress.json")["current_progress"]
    assert isinstance(current, dict)
    return current


def test_progress_has_guides_shape(tmp_path: Path) -> None:
    clock = HandClock()
    tracker = tracker_for(tmp_path, clock)
    tracker.in_flight = 6
    tracker.spent_usd = 0.25
    tracker.answered("gpt-4", ("dataclass_1", 1), 2.0, is_valid=True)
    tracker.answered("gpt-4", ("dataclass_2", 1), 3.0, is_valid=True)
    tracker.failed("claude-3-sonnet", ("dataclass_1", 1), "RateLimited: 429")
    clock.advance(30)
    tracker.save()
    assert read_json(tmp_path / "progress.json") == {
        "session_id": "session_1234567890",
        "start_time": START,
        "total_tasks": 24,
        "models": MODELS,
        "categories": ["dataclass", "typing"],
        "status": "in_progress",
        "in_flight": 6,
        "active_seconds": 30.0,
        "spent_usd": 0.25,
        "current_progress": {
            "completed_tasks": 3,
            "total_tasks": 24,
            "successful_tasks": 2,
            "failed_tasks": 1,
            "model_progress": {
                "gpt-4": {
                    "completed": 2,
                    "successful": 2,
                    "failed": 0,
                    "avg_time": 2.5,
                    "last_error": None,
                },
                "claude-3-sonnet": {
                    "completed": 1,
                    "successful": 0,
                    "failed": 1,
                    "avg_time": 0.0,
                    "last_error": "RateLimited: 429",
                },
            },
            "completed_task_ids": ["dataclass_1_gpt-4", "dataclass_2_gpt-4"],
            "failed_task_ids": ["dataclass_1_claude-3-sonnet"],
            "estimated_completion": START + 30 + 21 * 10,
        },
        "last_saved": START + 30,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]


def test_an_answer_takes_a_failure_back(tmp_path: Path) -> None:
    tracker = tracker_for(tmp_path, HandClock())
    tracker.failed("gpt-4", ("t1", 1), "TimedOut: no reply")
    tracker.failed("gpt-4", ("t1", 1), "Overloaded: 503")
    tracker.answered("gpt-4", ("t1", 1), 1.0, is_valid=True)
    progress = tracker.progress()
    assert (progress.completed_tasks, progress.successful_tasks, progress.failed_tasks) == (1, 1, 0)
    assert progress.model_progress["gpt-4"].last_error == "Overloaded: 503"


def test_nothing_done_yet_has_no_estimate(tmp_path: Path) -> None:
    tracker = tracker_for(tmp_path, HandClock())
    tracker.save()
    current = read_json(tmp_path / "progress.json")["current_progress"]
    assert isinstance(current, dict)
    assert current["estimated_completion"] is None
    assert current["completed_task_ids"] == []


class SlowDisk(HandClock):
    """A clock by which every save takes so many seconds: it moves on between two readings."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self.saving = False

    def monotonic(self) -> float:
        if self.saving:
            self.advance(self._seconds / 2)
        return super().monotonic()


def test_saves_are_merged_to_one_in_half_a_second(tmp_path: Path) -> None:
    clock = HandClock()
    tracker = tracker_for(tmp_path, clock)
    saves = 0
    for number in range(100):
        tracker.answered("gpt-4", (f"t{number}", 1), 1.0, is_valid=True)
        saves += tracker.save_if_due()
        clock.advance(0.05)
    assert saves == 10


def test_a_slow_disk_is_written_in_one_percent_of_the_time_but_every_30_seconds(
    tmp_path: Path,
) -> None:
    for save_seconds, longest_pause in ((0.1, 10.0), (60.0, 31.0)):
        clock = SlowDisk(save_seconds)
        tracker = tracker_for(tmp_path, clock)
        clock.saving = True
        tracker.save()
        clock.saving = False
        tracker.answered("gpt-4", ("t1", 1), 1.0, is_valid=True)
        assert not tracker.save_if_due()
        clock.advance(longest_pause * 0.5)
        assert not tracker.save_if_due()
        clock.advance(longest_pause)
        assert tracker.save_if_due()


def test_an_idle_session_is_saved_every_30_seconds(tmp_path: Path) -> None:
    clock = HandClock()
    tracker = tracker_for(tmp_path, clock)
    assert tracker.save_if_due()
    clock.advance(29)
    assert not tracker.save_if_due()
    clock.advance(1)
    assert tracker.save_if_due()


def test_the_final_report_has_guides_shape(tmp_path: Path) -> None:
    clock = HandClock()
    tracker = tracker_for(tmp_path, clock, total_tasks=3)
    tracker.answered("gpt-4", ("t1", 1), 2.0, is_valid=True)
    tracker.answered("gpt-4", ("t2", 1), 2.5, is_valid=False)
    tracker.failed("gpt-4", ("t3", 1), "Rate limit exceeded")
    clock.advance(145.25)
    tracker.finish("completed")
    assert read_json(tmp_path / "final_report.json") == {
        "session_id": "session_1234567890",
        "progress": {
            "completed": 3,
            "total": 3,
            "successful": 2,
            "failed": 1,
            "progress_percent": 100.0,
            "success_rate": 66.7,
            "answered_rate": 66.7,
            "valid_rate": 33.3,
        },
        "timing": {
            "elapsed_time": 145.25,
            "estimated_remaining": 0,
            "estimated_total": 145.25,
            "last_update": START + 145.25,
        },
        "model_progress": {
            "gpt-4": {
                "completed": 3,
                "successful": 2,
                "failed": 1,
                "avg_time": 2.25,
                "last_error": "Rate limit exceeded",
            },
            "claude-3-sonnet": {
                "completed": 0,
                "successful": 0,
                "failed": 0,
                "avg_time": 0.0,
                "last_error": None,
            },
        },
        "status": "completed",
        "end_time": START + 145.25,
        "total_duration": 145.25,
    }
    finished = read_progress(tmp_path)
    assert finished is not None
    assert (finished.status, finished.in_flight) == ("completed", 0)


def test_an_interrupted_session_has_no_final_report(tmp_path: Path) -> None:
    tracker = tracker_for(tmp_path, HandClock())
    tracker.finish("completed")
    tracker_for(tmp_path, HandClock()).finish("in_progress")
    assert not (tmp_path / "final_report.json").exists()
    stopped = read_progress(tmp_path)
    assert stopped is not None
    assert stopped.status == "in_progress"


def test_a_resume_goes_on_from_the_files_not_from_progress(tmp_path: Path) -> None:
    clock = HandClock()
    store = create_session(tmp_path, "s", metadata(), clock=clock)
    first = tracker_for(store.path, clock)
    first.in_flight = 6
    for number in range(4):
        store.append(solution(f"t{number}", seconds=1.0 + number))
        first.answered("gpt-4", (f"t{number}", 1), 1.0 + number, is_valid=True)
    clock.advance(40)
    first.save()
    store.append(solution("t9", seconds=5.0))  # killed before progress.json was saved again
    store.append_failure(failure("t8"))

    again = SolutionStore(tmp_path, "s")
    killed = read_progress(again.path)
    assert killed is not None
    assert killed.in_flight == 6
    clock.advance(3600)
    resumed = tracker_for(again.path, clock)
    resumed.restore(again)
    assert resumed.progress().estimated_completion is None
    clock.advance(10)
    again.append(solution("t8", seconds=3.0))
    resumed.answered("gpt-4", ("t8", 1), 3.0, is_valid=True)
    resumed.save()
    saved = read_json(again.path / "progress.json")
    current = saved["current_progress"]
    assert isinstance(current, dict)
    assert saved["active_seconds"] == 50.0
    assert sorted(current["completed_task_ids"]) == [
        f"t{number}_gpt-4" for number in (0, 1, 2, 3, 8, 9)
    ]
    assert current["failed_task_ids"] == []
    assert current["model_progress"]["gpt-4"]["avg_time"] == 3.0
    assert current["estimated_completion"] == clock.time() + 18 * 10
    [row] = list_sessions(tmp_path)
    assert (row.successful, row.failed, row.total_tasks) == (6, 0, 8)


def test_ids_that_are_too_many_are_counted_and_said_to_be_elsewhere(tmp_path: Path) -> None:
    store = create_session(tmp_path, "s", metadata())
    tracker = tracker_for(store.path, HandClock(), most_listed=2)
    current: dict[str, object] = {}
    for number in range(3):
        store.append(solution(f"t{number}"))
        tracker.answered("gpt-4", (f"t{number}", 1), 1.0, is_valid=True)
        current = saved_progress(tracker, store.path)
        assert current["completed_tasks"] == number + 1
        listed = [f"t{n}_gpt-4" for n in range(number + 1)] if number < 2 else []
        assert current["completed_task_ids"] == listed
    assert current["completed_task_ids_in"] == "<model>/<category>.jsonl"
    again = tracker_for(store.path, HandClock())
    again.restore(store)
    current = saved_progress(again, store.path)
    listed_anew = current["completed_task_ids"]
    assert isinstance(listed_anew, list) and len(listed_anew) == 3
    assert "completed_task_ids_in" not in current


def test_saving_while_answers_arrive_always_leaves_whole_json(tmp_path: Path) -> None:
    tracker = tracker_for(tmp_path, HandClock(), total_tasks=2000)
    stop = threading.Event()
    counts: list[int] = []

    def save_and_read() -> None:
        while not stop.is_set():
            tracker.save()
            current = json.loads((tmp_path / "progress.json").read_bytes())["current_progress"]
            counts.append(len(current["completed_task_ids"]))

    saver = threading.Thread(target=save_and_read)
    saver.start()
    for number in range(2000):
        tracker.answered("gpt-4", (f"t{number}", 1), 1.0, is_valid=True)
    stop.set()
    saver.join()
    assert counts == sorted(counts)
    tracker.finish("completed")
    current = read_json(tmp_path / "progress.json")["current_progress"]
    assert isinstance(current, dict)
    assert len(current["completed_task_ids"]) == 2000


def test_a_progress_file_that_cannot_be_written_is_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "progress.json").mkdir()
    tracker = tracker_for(tmp_path, HandClock())
    with pytest.raises(StoreError, match=r"progress\.json: cannot be written: .*folder is in the"):
        tracker.save()
    (tmp_path / "progress.json").rmdir()
    assert [path.name for path in tmp_path.iterdir()] == []
    assert tracker.save_if_due() is False
    tracker.save()
    assert read_progress(tmp_path) is not None


def test_a_jumping_wall_clock_does_no_harm(tmp_path: Path) -> None:
    clock = HandClock()
    tracker = tracker_for(tmp_path, clock)
    tracker.answered("gpt-4", ("t1", 1), 1.0, is_valid=True)
    clock.wall -= 1_000_000
    clock.now += 5
    tracker.finish("completed")
    report = read_json(tmp_path / "final_report.json")
    assert report["total_duration"] == 0.0
    timing = report["timing"]
    assert isinstance(timing, dict)
    assert timing["elapsed_time"] == 5.0
