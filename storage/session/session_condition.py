"""How a session stands, for people; its files know three states, and only after the fact."""

from pathlib import Path
from typing import Literal

from storage.files.regular_file import open_to_read
from storage.records.tallies import total
from storage.session.session_lock import is_run_by_another
from storage.solution_store import SolutionStore

SessionCondition = Literal["running", "interrupted", "completed", "failed"]

_BLOCK_BYTES = 2**20


def condition_of(*, answered: int, failed: int, tasks: int, is_running: bool) -> SessionCondition:
    """Return how a session stands, by its tasks and by who runs it, whatever its files say.

    interrupted: nobody runs it, and tasks are undone. failed: no task was answered.
    """
    if is_running:
        return "running"
    if answered + failed < tasks:
        return "interrupted"
    return "failed" if failed and not answered else "completed"


def condition_words(store: SolutionStore) -> str:
    """Return how a session stands, with what is missing: "completed, 3 failed"."""
    whole = total(store.tallies.values()) if store.tallies else None
    answered, failed = (whole.answered, whole.failed) if whole else (0, 0)
    tasks = store.metadata.total_tasks if store.metadata else answered + failed
    condition = condition_of(
        answered=answered, failed=failed, tasks=tasks, is_running=is_run_by_another(store.path)
    )
    undone = tasks - answered - failed
    said: list[str] = [condition]
    said += [f"{undone} undone"] if condition == "interrupted" else []
    said += [f"{failed} failed"] if failed and condition != "failed" else []
    return ", ".join(said)


def count_answer_lines(folder: Path) -> int:
    """Return how many whole lines stand in a session's files of answers, without reading them."""
    return sum(_count_lines(path) for path in folder.glob("[!.]*/*.jsonl"))


def _count_lines(path: Path) -> int:
    with open_to_read(path) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK_BYTES), b""))
