"""progress.json while a session runs, final_report.json when it ends."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.clock import Clock
from storage.files.durability import replace_file, write_error
from storage.files.pacing import Pacer
from storage.records.solution_record import TaskKey
from storage.records.tallies import percent
from storage.session.completed_ids import MOST_LISTED_IDS, CompletedIds, full_id
from storage.session.manifest import SessionStatus, pretty_json
from storage.session.progress_file import (
    PROGRESS_NAME,
    REPORT_NAME,
    ModelProgress,
    ProgressCounts,
    progress_chunks,
    read_progress,
)
from storage.solution_store import SolutionStore


class _Lane:
    """One model's counts as they grow."""

    def __init__(self) -> None:
        self.answered = 0
        self.valid = 0
        self.timed = 0
        self.execution_seconds = 0.0
        self.failed: dict[TaskKey, bool] = {}  # True: in an earlier run, so it is tried again
        self.last_error: str | None = None

    def to_progress(self) -> ModelProgress:
        average = self.execution_seconds / self.timed if self.timed else 0.0
        return ModelProgress(
            completed=self.answered + len(self.failed),
            successful=self.answered,
            failed=len(self.failed),
            avg_time=round(average, 3),
            last_error=self.last_error,
        )


class ProgressTracker:
    """Counts of a running session, saved in progress.json.

    answered and failed cost microseconds and belong to the event loop; save, save_if_due and
    finish wait for the disk and may be called from another thread.

    in_flight: set it to how many calls may be under way at once; a resume after a kill reads it.
    spent_usd: set it to the session's money so far; restore reads it back.
    seconds_left: set it to when the run will be done; None to estimate it by the average so far.
    """

    def __init__(
        self,
        folder: Path,
        *,
        session_id: str,
        start_time: float,
        total_tasks: int,
        models: Sequence[str],
        categories: Sequence[str],
        clock: Clock,
        most_listed: int = MOST_LISTED_IDS,
    ) -> None:
        """start_time: seconds since 1970 when the session, not this run of it, began.

        most_listed: above so many answers progress.json says where they are, and lists none.
        """
        self.status: SessionStatus = "in_progress"
        self.in_flight = 0
        self.spent_usd = 0.0
        self.seconds_left: float | None = None
        self.total_tasks = total_tasks
        self._folder = folder
        self._session_id = session_id
        self._start_time = start_time
        self._models = list(models)
        self._categories = list(categories)
        self._clock = clock
        self._lanes = {model: _Lane() for model in models}
        self._completed_ids = CompletedIds(most_listed)
        self._started = clock.monotonic()
        self._active_seconds_before = 0.0
        self._batch_rows_done: dict[str, int] = {}
        self._ended_now = 0
        self._to_try_again = 0
        self._changed = True
        # 1 % of all time at most.
        self._pacer = Pacer(clock, share=0.01, min_seconds=0.5, max_seconds=30.0)
        self._lock = threading.Lock()
        self._save_lock = threading.Lock()

    def restore(self, store: SolutionStore) -> None:
        """Take over what earlier runs of the session collected."""
        self.recount(store)
        earlier = read_progress(store.path)
        self._active_seconds_before = earlier.active_seconds if earlier else 0.0
        self.spent_usd = max(store.answers_usd, earlier.spent_usd if earlier else 0.0)
        self._batch_rows_done = dict(earlier.batch_rows_done) if earlier else {}

    def recount(self, store: SolutionStore) -> None:
        """Count what stands in the session's files, whatever was counted before."""
        self._lanes = {model: _Lane() for model in self._models}
        self._completed_ids.clear()
        self._to_try_again = 0
        for model in dict.fromkeys([*self._models, *store.answered_counts()]):
            lane = self._lanes.setdefault(model, _Lane())
            lane.answered = len(store.answered(model))
            for key in store.answered(model):
                self._completed_ids.add(model, key)
            for key, failure in store.failed_tasks.get(model, {}).items():
                lane.failed[key] = True
                lane.last_error = f"{failure.error}: {failure.message}"
            self._to_try_again += len(lane.failed)
        for (model, _), tally in store.tallies.items():
            self._lanes[model].execution_seconds += tally.execution_seconds
            self._lanes[model].timed += tally.answered - tally.batched
            self._lanes[model].valid += tally.valid

    def answered(self, label: str, key: TaskKey, seconds: float | None, *, is_valid: bool) -> None:
        """Count an answer; is_valid: the verdict on its code.

        seconds: its last attempt, None where no time is its own.
        """
        with self._lock:
            lane = self._lanes.setdefault(label, _Lane())
            lane.answered += 1
            lane.valid += is_valid
            if seconds is not None:
                lane.timed += 1
                lane.execution_seconds += seconds
            self._note_end(lane, key)
            self._completed_ids.add(label, key)

    def failed(self, label: str, key: TaskKey, error: str) -> None:
        """Count a task that was given up; a later answer takes it back."""
        with self._lock:
            lane = self._lanes.setdefault(label, _Lane())
            self._note_end(lane, key)
            lane.failed[key] = False
            lane.last_error = error

    def note_batches(self, rows_done: Mapping[str, int]) -> None:
        """Note how many rows of open batches are done: token -> rows, as providers say."""
        with self._lock:
            known = {**self._batch_rows_done, **rows_done}
            self._changed = self._changed or known != self._batch_rows_done
            self._batch_rows_done = known

    def progress(self) -> ProgressCounts:
        """Return the counts as they are now."""
        with self._lock:
            successful, failed = self._done()
            return ProgressCounts(
                completed_tasks=successful + failed,
                total_tasks=self.total_tasks,
                successful_tasks=successful,
                failed_tasks=failed,
                model_progress={name: lane.to_progress() for name, lane in self._lanes.items()},
                estimated_completion=self._estimated_completion(successful + failed),
            )

    def save_if_due(self) -> bool:
        """Save where something changed and the last save is long enough ago; say if it did.

        Saves are at least half a second apart and take 1 % of the time, and at most 30 s apart.
        """
        due = self._pacer.is_due(changed=self._changed)
        if due:
            self.save()
        return due

    def save(self) -> None:
        """Put progress.json in place; raises StoreError, with the old one left, where it cannot."""
        with self._save_lock:
            self._pacer.start()
            self._changed = False
            try:
                replace_file(self._folder / PROGRESS_NAME, self._chunks())
            except BaseException:
                self._changed = True
                raise
            finally:
                self._pacer.end()

    def finish(self, status: SessionStatus) -> None:
        """Save how the session stands; with final_report.json unless tasks are left to do."""
        self.status = status
        self.in_flight = 0
        self.save()
        path = self._folder / REPORT_NAME
        if status == "in_progress":
            self._drop_report(path)
        else:
            replace_file(path, pretty_json(self._report(), path))

    def _done(self) -> tuple[int, int]:
        lanes = self._lanes.values()
        return sum(lane.answered for lane in lanes), sum(len(lane.failed) for lane in lanes)

    def _valid(self) -> int:
        return sum(lane.valid for lane in self._lanes.values())

    def _note_end(self, lane: _Lane, key: TaskKey) -> None:
        self._ended_now += 1
        self._to_try_again -= lane.failed.pop(key, False)
        self._changed = True

    def _estimated_completion(self, done: int) -> float | None:
        if not self._ended_now:
            return None
        if self.seconds_left is not None:
            return self._clock.time() + self.seconds_left
        seconds_a_task = (self._clock.monotonic() - self._started) / self._ended_now
        left = max(0, self.total_tasks - done + self._to_try_again)
        return self._clock.time() + seconds_a_task * left

    def _active_seconds(self) -> float:
        return self._active_seconds_before + self._clock.monotonic() - self._started

    def _chunks(self) -> list[bytes]:
        counts = self.progress()
        with self._lock:
            completed_ids = self._completed_ids.entries()
            failed_ids = [
                full_id(label, key) for label, lane in self._lanes.items() for key in lane.failed
            ]
            batches = dict(self._batch_rows_done)
        head: dict[str, object] = {
            "session_id": self._session_id,
            "start_time": self._start_time,
            "total_tasks": self.total_tasks,
            "models": self._models,
            "categories": self._categories,
            "status": self.status,
            "in_flight": self.in_flight,
            "active_seconds": round(self._active_seconds(), 3),
            "spent_usd": self.spent_usd,
        }
        if batches:
            head["batch_rows_done"] = batches
        return progress_chunks(head, counts, completed_ids, failed_ids, self._clock.time())

    def _report(self) -> dict[str, object]:
        counts, now = self.progress(), self._clock.time()
        elapsed = round(self._active_seconds(), 3)
        return {
            "session_id": self._session_id,
            "progress": {
                "completed": counts.completed_tasks,
                "total": counts.total_tasks,
                "successful": counts.successful_tasks,
                "failed": counts.failed_tasks,
                "progress_percent": percent(counts.completed_tasks, counts.total_tasks),
                "success_rate": percent(counts.successful_tasks, counts.completed_tasks),
                "answered_rate": percent(counts.successful_tasks, counts.completed_tasks),
                "valid_rate": percent(self._valid(), counts.completed_tasks),
            },
            "timing": {
                "elapsed_time": elapsed,
                "estimated_remaining": 0,
                "estimated_total": elapsed,
                "last_update": now,
            },
            "model_progress": counts.model_progress,
            "status": self.status,
            "end_time": now,
            "total_duration": round(max(0.0, now - self._start_time), 3),
        }

    def _drop_report(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(path, error) from error
