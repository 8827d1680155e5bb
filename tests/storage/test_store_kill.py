"""A real process that is killed while it writes: what it acknowledged is there, once."""

import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from storage.progress_tracker import ProgressTracker
from storage.records import part_names
from storage.session.progress_file import read_progress
from storage.sessions import create_session, open_session, repair_session
from storage.solution_store import SolutionStore
from tests.support.store_records import (
    HandClock,
    answers_on_disk,
    metadata,
    read_json,
    solution,
)

ROOT = Path(__file__).resolve().parent.parent.parent
TASKS = 600
MODELS = ("gpt-4", "claude-3-sonnet")
WRITER = """
import sys, threading
from config.clock import SystemClock
from storage.progress_tracker import ProgressTracker
from storage.records import part_names
from storage.session.session_lock import SessionLock
from storage.sessions import open_session, repair_session
from tests.support.store_records import START, solution

models, tasks = sys.argv[2].split(","), int(sys.argv[3])
part_names.MOST_FILE_BYTES = int(sys.argv[4])
store = open_session(sys.argv[1], "s")
with SessionLock(store.path):
    repair_session(store)
    tracker = ProgressTracker(
        store.path, session_id="s", start_time=START, total_tasks=tasks * len(models),
        models=models, categories=["c0"], clock=SystemClock(),
    )
    tracker.in_flight = len(models)
    tracker.restore(store)

    def keep_up():
        while True:
            store.sync()
            store.checkpoint()
            tracker.save()

    threading.Thread(target=keep_up, daemon=True).start()
    for number in range(tasks):
        for model in models:
            if not store.is_answered(model, (f"t{number}", 1)):
                answer = solution(f"t{number}", model, f"c{number % 5}", raw_response="x" * 500)
                store.append(answer)
                tracker.answered(model, (f"t{number}", 1), 2.0, is_valid=True)
                print(model, f"t{number}", flush=True)
"""


def acknowledged_until_killed(output: Path, kill_after: int, most_bytes: int) -> set[str]:
    """Return `model task_id` of every answer that a run said it kept before it was killed."""
    arguments = [str(output), ",".join(MODELS), str(TASKS), str(most_bytes)]
    command = [sys.executable, "-c", WRITER, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        heard = list(islice(run.stdout, kill_after))
        run.kill()
        return {line.strip() for line in [*heard, *run.stdout] if line.endswith("\n")}


@pytest.mark.slow
@pytest.mark.parametrize("most_bytes", [part_names.MOST_FILE_BYTES, 3000])
def test_five_kills_lose_and_double_nothing(tmp_path: Path, most_bytes: int) -> None:
    random = Random(5)
    create_session(tmp_path, "s", metadata(MODELS, tuple(f"c{n}" for n in range(5)), TASKS))
    acknowledged: set[str] = set()
    for _ in range(5):
        acknowledged |= acknowledged_until_killed(tmp_path, random.randrange(20, 200), most_bytes)
        store = open_session(tmp_path, "s")
        repair_session(store)
        kept = {f"{model} {task_id}" for model, _, task_id in answers_on_disk(store)}
        assert acknowledged <= kept
        assert len(kept - acknowledged) <= 1  # written, and killed before it could be said
        killed = read_progress(store.path)
        assert killed is None or killed.in_flight == len(MODELS)
        acknowledged = kept
    _finish(store)
    assert len(answers_on_disk(store)) == TASKS * len(MODELS)
    assert bool(list(store.path.glob("*/c0.0002.jsonl"))) is (most_bytes == 3000)
    progress = read_json(store.path / "progress.json")["current_progress"]
    assert isinstance(progress, dict)
    assert len(set(progress["completed_task_ids"])) == TASKS * len(MODELS)
    compared = read_json(store.path / "cross_model_comparison.json")["problems"]
    assert isinstance(compared, list)
    assert len(compared) == TASKS


def _finish(store: SolutionStore) -> None:
    for number in range(TASKS):
        for model in MODELS:
            if not store.is_answered(model, (f"t{number}", 1)):
                store.append(solution(f"t{number}", model, f"c{number % 5}"))
    store.finish()
    clock = HandClock()
    tracker = ProgressTracker(
        store.path,
        session_id="s",
        start_time=clock.time(),
        total_tasks=TASKS * len(MODELS),
        models=MODELS,
        categories=[],
        clock=clock,
    )
    tracker.restore(store)
    tracker.finish("completed")


def test_exports_in_a_thread_never_see_half_an_answer(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    stop = threading.Event()
    errors: list[BaseException] = []

    def keep_up() -> None:
        try:
            while not stop.is_set():
                store.sync()
                store.checkpoint()
                store.save_cross_model_comparison()
        except BaseException as error:
            errors.append(error)
            raise

    exporter = threading.Thread(target=keep_up)
    exporter.start()
    for number in range(400):
        store.append(
            solution(f"t{number}", f"m{number % 2}", f"c{number % 3}", raw_response="é\n" * 999)
        )
    stop.set()
    exporter.join()
    assert errors == []
    store.finish()
    grown = {path: path.read_bytes() for path in store.path.glob("*/*.csv")}
    again = SolutionStore(tmp_path, "s")
    again.finish()
    assert {path: path.read_bytes() for path in again.path.glob("*/*.csv")} == grown
