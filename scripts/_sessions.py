"""What --list-sessions and --status print."""

from datetime import datetime
from pathlib import Path

from scripts._report import print_table, resume_command
from storage.progress_file import read_progress
from storage.sessions import list_sessions, open_session
from storage.tallies import by_model


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
    progress = read_progress(store.path)
    print(
        f"Session {store.session_id}: {store.status}, started {_moment(metadata.collection_start)}"
    )
    counts, failed = store.answered_counts(), store.failed_tasks
    tallies = by_model(store.tallies)
    table = []
    for model in metadata.models:
        answered, given_up = counts.get(model, 0), len(failed.get(model, {}))
        valid = tallies[model].valid if model in tallies else 0
        left = metadata.total_problems - answered - given_up
        table.append([model, *map(str, (answered, valid, given_up, left))])
    print_table(["model", "answered", "valid", "failed", "undone"], table)
    if (
        progress
        and progress.current_progress.estimated_completion
        and store.status == "in_progress"
    ):
        print(f"Expected end: {_moment(progress.current_progress.estimated_completion)}")
    if store.status == "in_progress":
        print(f"To go on with it: {resume_command(store.session_id, output_dir)}")


def _moment(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else "-"
