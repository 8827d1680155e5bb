"""What --list-sessions and --status print."""

import contextlib
import io
import sys
import textwrap
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from config.clock import Clock
from config.errors import ConfigError
from config.model_configs import select_models
from config.prompt_text import prompt_of
from config.reply_reading import recorded_reading
from prompts.prompt_template import prompt_version
from reports.pass_counts import PassCounts, pass_counts
from runners.progress.terminal_text import printable
from scripts._batches import print_open_batches
from scripts._report import print_reserved, print_unread, reserved_beside_answers, resume_command
from scripts._terminal import print_table, print_wrapped, terminal_columns
from storage.session.manifest import SessionMetadata
from storage.session.progress_file import Progress, read_progress
from storage.session.session_condition import condition_words
from storage.session.session_lock import is_locked
from storage.sessions import SessionRow, existing_folder, list_sessions, open_session
from storage.solution_store import SolutionStore
from storage.views.verdicts import has_verdicts

_WATCH_SECONDS = 2.0
_FEWEST_COLUMNS = 20  # for the names of models
_CLEAR_SCREEN = "\x1b[H\x1b[J"


def print_sessions(output_dir: Path) -> None:
    """Print one row a session, broken ones with the reason."""
    rows = list_sessions(output_dir)
    if not rows:
        print(f"No sessions in {output_dir}")
        return
    print(f"Sessions in {output_dir}:")
    longest = max(len(row.session_id) for row in rows)
    room = max(_FEWEST_COLUMNS, terminal_columns() - longest - 2)
    table = [
        [
            row.session_id,
            row.status,
            _moment(row.started),
            f"{row.successful}/{row.total_tasks}",
            str(row.failed),
            textwrap.shorten(_asked(row), room, placeholder=" ...") or "-",
        ]
        for row in rows
    ]
    headings = ["session", "status", "started", "answered", "failed", "models"]
    print_table(headings, table, groups=(4, 1), ends_in_text=True)
    for row in rows:
        if row.trouble:
            print_wrapped(f"{row.session_id} is broken: {row.trouble}", indent="  ")


def _asked(row: SessionRow) -> str:
    models = " ".join(row.models)
    return f"shard {row.shard}: {models}" if row.shard else models


def print_status(output_dir: Path, session_id: str) -> None:
    """Print how one session stands, running or not; changes nothing."""
    store = open_session(output_dir, session_id)
    metadata = store.metadata
    assert metadata is not None, "open_session refuses a session without metadata"
    started = _moment(metadata.collection_start)
    print(f"Session {store.session_id}: {condition_words(store)}, started {started}")
    _print_shard(metadata)
    tasks = metadata.total_problems * metadata.samples
    rows = [_status_row(store, model, tasks) for model in metadata.models]
    _print_status_table(store, rows)
    undone = any(row[-1] != "0" for row in rows)
    if reading := recorded_reading(metadata.session_parameters):
        print(reading)
    if prompt := prompt_of(metadata.session_parameters):
        print_wrapped(f"Prompt: {prompt_version(prompt)}")
    print_unread(store)
    progress = read_progress(store.path)
    if progress:
        _print_last_errors(progress)
    print(f"Answers so far cost {store.answers_usd:.4f} USD, as far as prices are known")
    if is_locked(store.path):
        if reserved_usd := reserved_beside_answers(store):
            print(
                f"Calls in flight, or without an answer, cost at most {reserved_usd:.4f} USD more"
            )
        print_open_batches(store)
        print("It is being run now.")
        if progress and progress.current_progress.estimated_completion:
            print(f"Expected end: {_moment(progress.current_progress.estimated_completion)}")
        print(f"Results so far: {store.path}")
        return
    print_reserved(store, output_dir)
    print_open_batches(store)
    command, parameters = resume_command(store.session_id, output_dir), metadata.session_parameters
    if undone:
        print(f"It is not running.{_calls_lost(progress, parameters)} To continue:\n  {command}")
    elif any(store.failed_tasks.values()):
        print(f"It has ended. To try the failed tasks again:\n  {command}")
    print(f"Results: {store.path}")


def _print_shard(metadata: SessionMetadata) -> None:
    if metadata.shard:
        of_all = f" of {len(metadata.dataset)}" if metadata.dataset else ""
        print(f"Shard {metadata.shard}: {metadata.total_problems}{of_all} problems")


def _print_status_table(store: SolutionStore, rows: list[list[str]]) -> None:
    headings = ["model", "answered", "valid", "failed", "undone"]
    if not has_verdicts(store.path):
        print_table(headings, rows, groups=(4,))
        return
    found = pass_counts(store)
    judged = [_passed_cells(found.get(row[0])) for row in rows]
    rows = [[*row, *cells] for row, cells in zip(rows, judged, strict=True)]
    print_table([*headings, "passed", "not judged"], rows, groups=(4, 2))


def _passed_cells(counts: PassCounts | None) -> list[str]:
    if counts is None:
        return ["-", "-"]
    return [f"{counts.passed} of {counts.judged}", str(counts.unjudged + counts.not_run)]


async def watch_status(output_dir: Path, session_id: str, clock: Clock) -> None:
    """Print how a session stands every two seconds, until nobody runs it, or Ctrl-C.

    On a terminal each status takes the place of the one before.
    """
    folder = existing_folder(output_dir, session_id)
    watched = False
    while is_locked(folder):
        status = _status_text(output_dir, session_id)  # whole before the old one goes
        _start_afresh()
        print(f"{datetime.now():%H:%M:%S}, every {_WATCH_SECONDS:.0f} s until it ends; ", end="")
        print(f"Ctrl-C ends this view, not the run\n{status}", flush=True)
        watched = True
        await clock.sleep(_WATCH_SECONDS)
    status = _status_text(output_dir, session_id)
    if watched:
        _start_afresh()
    print(status, end="")


def _status_text(output_dir: Path, session_id: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print_status(output_dir, session_id)
    return printed.getvalue()


def _start_afresh() -> None:
    print(_CLEAR_SCREEN if sys.stdout.isatty() else "\n", end="")


def _print_last_errors(progress: Progress) -> None:
    for model, counts in progress.current_progress.model_progress.items():
        if counts.failed and counts.last_error:
            print(printable(f"{model}: last failure: {counts.last_error}"))


def _calls_lost(progress: Progress | None, parameters: Mapping[str, object]) -> str:
    calls = progress.in_flight if progress else 0
    if not calls:
        return ""
    said = f" It was killed: up to {calls} calls"
    if _costs_nothing(parameters):
        return f"{said} were in flight."
    return f"{said} may be billed without an answer."


def _costs_nothing(parameters: Mapping[str, object]) -> bool:
    """Return whether none of a session's models can send a bill."""
    models = parameters.get("models")
    names = [*(models if isinstance(models, list) else ()), parameters.get("extraction_model")]
    return bool(models) and all(_is_free(str(name)) for name in names if name)


def _is_free(name: str) -> bool:
    try:
        return name == "local_gguf" or select_models([name])[0].is_free
    except ConfigError:  # a row that has gone since
        return False


def _status_row(store: SolutionStore, model: str, total: int) -> list[str]:
    answered = len(store.answered(model))
    failed = len(store.failed_tasks.get(model, {}))
    valid = sum(tally.valid for (name, _), tally in store.tallies.items() if name == model)
    return [model, *map(str, (answered, valid, failed, total - answered - failed))]


def _moment(seconds: float | None) -> str:
    try:
        return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else "-"
    except (OverflowError, ValueError, OSError):  # beyond any calendar
        return "-"
