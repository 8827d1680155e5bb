"""What --list-sessions and --status print."""

from datetime import datetime
from pathlib import Path

from config.clock import Clock
from scripts._report import print_table, resume_command
from storage.progress_file import read_progress
from storage.session_lock import is_locked
from storage.sessions import existing_folder, list_sessions, open_session
from storage.solution_store import SolutionStore

_WATCH_SECONDS = 2.0


def print_sessions(output_dir: Path) -> None:
    """Print one row a session, broken ones with the reason."""
    rows = list_sessions(output_dir)
    if not rows:
        print(f"No sessions in {output_dir}")
        return
    print(f"Sessions in {output_dir}:")
    table = [
        [
            row.session_id,
            row.status,
            _moment(row.started),
            f"{row.successful}/{row.total_tasks}",
            str(row.failed),
            row.trouble or " ".join(row.models),
        ]
        for row in rows
    ]
    print_table(["session", "status", "started", "answered", "failed", "models"], table)


def print_status(output_dir: Path, session_id: str) -> None:
    """Print how one session stands, running or not; changes nothing."""
    store = open_session(output_dir, session_id)
    metadata = store.metadata
    assert metadata is not None, "open_session refuses a session without metadata"
    started = _moment(metadata.collection_start)
    print(f"Session {store.session_id}: {store.status}, started {started}")
    print_table(
        ["model", "answered", "valid", "failed", "undone"],
        [_status_row(store, model, metadata.total_problems) for model in metadata.models],
    )
    if store.status != "in_progress":
        return
    if is_locked(store.path):
        print("It is being run now.")
    else:
        print(f"Nobody runs it. To go on: {resume_command(store.session_id, output_dir)}")
        return
    progress = read_progress(store.path)
    if progress and progress.current_progress.estimated_completion:
        print(f"Expected end: {_moment(progress.current_progress.estimated_completion)}")


async def watch_status(output_dir: Path, session_id: str, clock: Clock) -> None:
    """Print how a session stands every two seconds, until nobody runs it, or Ctrl-C."""
    folder = existing_folder(output_dir, session_id)
    while is_locked(folder):
        print(f"\n{datetime.now():%H:%M:%S}")
        print_status(output_dir, session_id)
        await clock.sleep(_WATCH_SECONDS)
    print_status(output_dir, session_id)


def _status_row(store: SolutionStore, model: str, total: int) -> list[str]:
    answered = len(store.answered(model))
    failed = len(store.failed_tasks.get(model, {}))
    valid = sum(tally.valid for (name, _), tally in store.tallies.items() if name == model)
    return [model, *map(str, (answered, valid, failed, total - answered - failed))]


def _moment(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else "-"
