"""Session files with random damage: every reader ends well or in one clear error."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest

from config.errors import CollectionError
from storage.progress_tracker import ProgressTracker
from storage.session.progress_file import read_progress
from storage.sessions import create_session, list_sessions, open_session, repair_session
from storage.solution_store import SolutionStore
from tests.support.store_records import HandClock, failure, metadata, read_lines, solution

SPLINTERS = [
    b"",
    b"\0",
    b"\n",
    b"\xff",
    b"{",
    b"}",
    b'"',
    b"null",
    b"1e999",
    b"[" * 2000,
    b"9" * 400,
]
SEEDS_FEW, SEEDS_MANY = 40, 2_000


def make_session(output: Path) -> SolutionStore:
    store = create_session(output, "s", metadata())
    for number in range(3):
        for model in ("gpt-4", "claude-3-sonnet"):
            store.append(solution(f"t{number}", model))
            store.append(solution(f"u{number}", model, "typing"))
    store.append_failure(failure("t7"))
    store.append_pending(solution("t8"))
    store.finish("in_progress")
    track(store)
    return store


def track(store: SolutionStore) -> None:
    clock = HandClock()
    tracker = ProgressTracker(
        store.path,
        session_id="s",
        start_time=clock.time(),
        total_tasks=24,
        models=["gpt-4", "claude-3-sonnet"],
        categories=["dataclass", "typing"],
        clock=clock,
    )
    tracker.restore(store)
    tracker.finish("completed")


def mutated(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content) + 1)
    end = min(len(content), start + random.choice([0, 0, 1, 2, 10, 200, len(content)]))
    choice = random.randrange(4)
    if choice == 0:
        return content[:start]
    if choice == 1:
        return content[:start] + random.randbytes(end - start) + content[end:]
    if choice == 2:
        return content[:end] + content[start:]
    return content[:start] + random.choice(SPLINTERS) + content[end:]


def read_everything(output: Path) -> None:
    """Do all that a status, a resume and its end do."""
    list_sessions(output)
    read_progress(output / "s")
    store = open_session(output, "s")
    repair_session(store)
    for number in range(12):
        for model in ("gpt-4", "claude-3-sonnet"):
            if not store.is_answered(model, (f"t{number}", 1)):
                store.append(solution(f"t{number}", model))
    list(store.pending())
    store.finish()
    track(store)
    for path in store.path.rglob("*.jsonl"):
        read_lines(path)
    for path in store.path.rglob("*.json"):
        json.loads(path.read_bytes())
    again = open_session(output, "s")
    assert repair_session(again) == []
    assert again.answered_counts() == store.answered_counts()


def damage_and_read(tmp_path: Path, seeds: range) -> None:
    original = make_session(tmp_path / "original").path
    files = sorted(path.relative_to(original) for path in original.rglob("*") if path.is_file())
    refused = 0
    for seed in seeds:
        random = Random(seed)
        output = tmp_path / "damaged"
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(original, output / "s")
        for name in random.sample(files, random.randrange(1, 4)):
            path = output / "s" / name
            path.write_bytes(mutated(path.read_bytes(), random))
        try:
            read_everything(output)
        except CollectionError as error:
            refused += 1
            assert "\n" not in str(error)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    assert refused < len(seeds) / 10


@pytest.mark.slow
def test_damaged_session_files_end_in_no_traceback(tmp_path: Path) -> None:
    damage_and_read(tmp_path, range(SEEDS_FEW))


@pytest.mark.slow
def test_many_damaged_session_files_end_in_no_traceback(tmp_path: Path) -> None:
    damage_and_read(tmp_path, range(SEEDS_FEW, SEEDS_MANY))
