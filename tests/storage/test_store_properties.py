"""Whatever is appended, killed, cut off and reopened: the files end as an undisturbed run's."""

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from storage.progress_tracker import ProgressTracker
from storage.records.solution_record import SolutionRecord
from storage.sessions import create_session, open_session, repair_session
from storage.solution_store import SolutionStore
from tests.support.store_records import (
    HandClock,
    answers_on_disk,
    failure,
    metadata,
    read_json,
    solution,
    validation,
)

Key = tuple[str, str, str]
MODELS = ("gpt-4", "Org/Model")
CATEGORIES = ("typing", "Typing", "a/b")
KEYS: list[Key] = [
    (model, category, f"{category}_{number}")
    for model in MODELS
    for category in CATEGORIES
    for number in range(3)
]
TEXTS = ["short", "two\nlines", "é" * 40, "nul \0", "=1+1", '"}\n{"', "x" * 300]


def answer_for(key: Key) -> SolutionRecord:
    """Return the one answer that this key has in every run."""
    model, category, task_id = key
    number = KEYS.index(key)
    return solution(
        task_id,
        model,
        category,
        raw_response=TEXTS[number % len(TEXTS)],
        problem=f"problem {task_id}",
        verdict=validation(valid=number % 2 == 0, parses=number % 3 > 0),
        seconds=float(number),
    )


def derived_files(store: SolutionStore) -> dict[str, object]:
    """Return what the derived files of a finished session say, up to order."""
    summary = read_json(store.path / "summary.json")
    comparison = read_json(store.path / "cross_model_comparison.json")
    problems = comparison["problems"]
    assert isinstance(problems, list)
    rows = []
    for path in store.path.glob("*/*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows += [tuple(row.values()) for row in csv.DictReader(file)]
    return {
        "models": summary["model_summaries"],
        "status": summary["status"],
        "compared": comparison["summary"],
        "problems": sorted(problems, key=lambda problem: str(problem["task_id"])),
        "rows": sorted(rows),
        "progress": sorted(_progress(store)["completed_task_ids"]),
    }


def _progress(store: SolutionStore) -> dict[str, list[str]]:
    current = read_json(store.path / "progress.json")["current_progress"]
    assert isinstance(current, dict)
    return current


def conclude(store: SolutionStore) -> None:
    clock = HandClock()
    tracker = ProgressTracker(
        store.path,
        session_id=store.session_id,
        start_time=clock.time(),
        total_tasks=len(KEYS),
        models=MODELS,
        categories=CATEGORIES,
        clock=clock,
    )
    tracker.restore(store)
    tracker.save()
    store.finish()


def sizes_of(output: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in sorted(output.rglob("*.jsonl"))}


class DisturbedRun(RuleBasedStateMachine):
    """A session whose process is killed, and whose machine loses power, at any moment.

    kept: what must be on disk now. safe, safe_sizes: what a power cut cannot take.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.output = Path(self.folder.name)
        described = metadata(MODELS, CATEGORIES, len(KEYS) // len(MODELS))
        self.store = create_session(self.output, "s", described, clock=HandClock())
        self.kept: set[Key] = set()
        self.safe: set[Key] = set()
        self.safe_sizes: dict[Path, int] = {}

    def add(self, key: Key) -> None:
        if key not in self.kept:
            self.store.append(answer_for(key))
            self.kept.add(key)

    def add_waiting(self) -> None:
        for record in list(self.store.pending()):
            self.store.append(record)
            self.kept.add((record.model, record.category, record.task_id))

    def make_safe(self) -> None:
        self.store.sync()
        self.safe, self.safe_sizes = set(self.kept), sizes_of(self.output)

    def reopen(self) -> None:
        self.store = open_session(self.output, "s", clock=HandClock())
        repair_session(self.store)

    @rule(key=st.sampled_from(KEYS))
    def answer(self, key: Key) -> None:
        self.add(key)

    @rule(key=st.sampled_from(KEYS))
    def fail(self, key: Key) -> None:
        self.store.append_failure(failure(key[2], key[0], key[1]))

    @rule(key=st.sampled_from(KEYS))
    def reply_waits(self, key: Key) -> None:
        if key not in self.kept and not self.store.is_pending(key[0], (key[2], 1)):
            self.store.append_pending(answer_for(key))

    @rule()
    def extract_what_waits(self) -> None:
        self.add_waiting()

    @rule()
    def checkpoint(self) -> None:
        self.store.checkpoint()

    @rule()
    def sync(self) -> None:
        self.make_safe()

    @rule()
    def stop_and_resume(self) -> None:
        self.store.finish("in_progress")
        self.make_safe()
        self.reopen()

    @rule()
    def kill_between_two_lines(self) -> None:
        self.reopen()

    @rule(key=st.sampled_from(KEYS), data=st.data())
    def kill_in_the_middle_of_a_line(self, key: Key, data: st.DataObject) -> None:
        if key in self.kept:
            return
        before = sizes_of(self.output)
        self.store.append(answer_for(key))
        [path] = [
            path for path, size in sizes_of(self.output).items() if size > before.get(path, 0)
        ]
        whole = path.read_bytes()
        end = data.draw(st.integers(before.get(path, 0), len(whole)))
        path.write_bytes(whole[:end])
        if end >= len(whole) - 1:  # all but the line's end is a whole record
            self.kept.add(key)
        self.reopen()

    @rule(data=st.data())
    def lose_power(self, data: st.DataObject) -> None:
        for path, size in sizes_of(self.output).items():
            whole = path.read_bytes()
            end = data.draw(st.integers(self.safe_sizes.get(path, 0), size))
            zeros = data.draw(st.sampled_from([0, size - end]))
            path.write_bytes(whole[:end] + b"\0" * zeros)
            if path not in self.safe_sizes and data.draw(st.booleans()):
                path.unlink()
        self.reopen()
        left = set(answers_on_disk(self.store))
        assert self.safe <= left <= self.kept
        self.kept = left
        self.make_safe()

    @invariant()
    def every_answer_is_there_once(self) -> None:
        found = answers_on_disk(self.store)
        assert set(found) == self.kept
        for key, reply in found.items():
            assert reply == answer_for(key).raw_response
            assert self.store.is_answered(key[0], (key[2], 1))
            assert not self.store.is_pending(key[0], (key[2], 1))
        assert sum(self.store.answered_counts().values()) == len(self.kept)

    def teardown(self) -> None:
        with self.folder:
            self.add_waiting()
            for key in KEYS:
                self.add(key)
            conclude(self.store)
            assert self.store.metadata is not None
            undisturbed = create_session(
                self.output / "other", "s", self.store.metadata, clock=HandClock()
            )
            for key in KEYS:
                undisturbed.append(answer_for(key))
            conclude(undisturbed)
            assert answers_on_disk(self.store) == answers_on_disk(undisturbed)
            assert derived_files(self.store) == derived_files(undisturbed)


@pytest.mark.slow
def test_a_disturbed_run_ends_as_an_undisturbed_one() -> None:
    # What has to hold is asserted by the machine: its invariant, lose_power and teardown.
    limits = settings(max_examples=12, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(DisturbedRun, settings=limits)


@pytest.mark.slow
def test_many_disturbed_runs_end_as_an_undisturbed_one() -> None:
    # What has to hold is asserted by the machine: its invariant, lose_power and teardown.
    limits = settings(max_examples=200, stateful_step_count=50, deadline=None)
    run_state_machine_as_test(DisturbedRun, settings=limits)
