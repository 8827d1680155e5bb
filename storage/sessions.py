"""Sessions in an output folder: create one, open one again, list them."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from config.clock import Clock, SystemClock
from config.errors import ConfigError, StoreError
from config.shard import Shard
from storage.files.durability import flush_folder, write_error
from storage.files.jsonl_file import keep_whole_file
from storage.files.leftovers import drop_leftovers
from storage.files.utf8_text import clean_text
from storage.records.session_scan import scan_session
from storage.records.tallies import total
from storage.session.manifest import (
    MANIFEST_NAME,
    SUMMARY_NAME,
    SessionMetadata,
    read_manifest,
    read_metadata,
    read_summary,
    write_manifest,
)
from storage.session.progress_file import PROGRESS_NAME, ProgressCounts, read_progress
from storage.session.session_condition import SessionCondition, condition_of, count_answer_lines
from storage.session.session_folder import default_session_id, session_folder
from storage.session.session_lock import is_locked
from storage.session.spending_file import SPENDING_NAME, read_spending
from storage.solution_store import SolutionStore
from storage.views.summaries import write_session_summary


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One session for a list.

    shard: the share of the problems that it asks, None for all.
    trouble: why it is broken, None where it is not.
    """

    session_id: str
    status: SessionCondition | Literal["broken"]
    started: float | None
    total_tasks: int
    successful: int
    failed: int
    models: tuple[str, ...]
    shard: Shard | None = None
    trouble: str | None = None


def create_session(
    output_dir: str | Path,
    session_id: str | None,
    metadata: SessionMetadata,
    *,
    clock: Clock | None = None,
) -> SolutionStore:
    """Return the store of a new session, whose summary.json and manifest.json are on the disk.

    The folder is built under a dot-name and renamed: there is never a session without them.
    Raises ConfigError where the id is empty or taken, StoreError where the folder cannot be made.
    """
    clock = clock or SystemClock()
    output = Path(output_dir)
    wanted = clean_text(session_id) if session_id is not None else None
    try:
        output.mkdir(parents=True, exist_ok=True)
        made_id = _make_folder(output, wanted, metadata, clock)
        flush_folder(output)
    except OSError as error:
        raise write_error(output, error) from error
    return SolutionStore(output, made_id, clock=clock)


def open_session(
    output_dir: str | Path, session_id: str, *, clock: Clock | None = None, workers: int = 1
) -> SolutionStore:
    """Return the store of an existing session, with its metadata; changes nothing.

    workers: processes that read its files where they are large.
    Raises ConfigError for an empty id or an unknown session, with the nearest names; StoreError
    where neither summary.json nor manifest.json can be read, or the session is of a newer version.
    """
    folder = existing_folder(output_dir, session_id)
    if read_metadata(folder) is None:
        raise StoreError(
            f"{folder}: neither {SUMMARY_NAME} nor {MANIFEST_NAME} can be read, so what the "
            "session was asked is not known; its answers are untouched"
        )
    return SolutionStore(output_dir, session_id, clock=clock, workers=workers)


def existing_folder(output_dir: str | Path, session_id: str) -> Path:
    """Return the folder of a session; raises ConfigError, with the nearest names, without one."""
    output = Path(output_dir)
    folder = session_folder(output, session_id)
    if folder.is_dir():
        return folder
    names = [path.name for path in _session_folders(output)]
    near = get_close_matches(session_id, names, n=3, cutoff=0.5) or names[-3:]
    hint = (
        f"; did you mean {', '.join(near)}?"
        if near
        else ": there are no sessions (see --output-dir)"
    )
    raise ConfigError(f"unknown session {session_id!r} in {output}{hint}")


def repair_session(store: SolutionStore) -> list[str]:
    """Return, for people, what was damaged in a session and is now repaired or set aside.

    Call it with the session's lock held, before the first append.
    """
    said = store.repair()
    folder = store.path
    drop_leftovers([folder, *(path for path in folder.iterdir() if path.is_dir())])
    if (folder / PROGRESS_NAME).exists() and read_progress(folder) is None:
        said.append(_set_aside(folder / PROGRESS_NAME))
    if (folder / SPENDING_NAME).exists() and read_spending(folder) is None:
        said.append(f"{_set_aside(folder / SPENDING_NAME)}, with the most that may be billed")
    said += _repair_descriptions(store)
    said += _missing_answers(store)
    return said


def list_sessions(output_dir: str | Path) -> list[SessionRow]:
    """Return the sessions of a folder, by name; those that cannot be read are marked broken."""
    return [_session_row(folder) for folder in _session_folders(Path(output_dir))]


def _make_folder(
    output: Path, session_id: str | None, metadata: SessionMetadata, clock: Clock
) -> str:
    while True:
        made_id = default_session_id(output, clock) if session_id is None else session_id
        folder = session_folder(output, made_id)
        if session_id is not None and folder.exists():
            raise ConfigError(f"session {made_id!r} already exists in {output}")
        building = output / f".building-{os.getpid()}-{folder.name}"
        shutil.rmtree(building, ignore_errors=True)
        try:
            building.mkdir()
            _describe(building, made_id, metadata)
            building.rename(folder)
            return made_id
        except OSError:
            if not folder.exists():
                raise  # else another run of the same second was faster
        finally:
            shutil.rmtree(building, ignore_errors=True)


def _describe(folder: Path, session_id: str, metadata: SessionMetadata) -> None:
    write_manifest(folder, session_id, metadata)
    write_session_summary(
        folder, session_id, metadata, {}, {}, {}, status="in_progress", collection_end=None
    )


def _repair_descriptions(store: SolutionStore) -> Iterator[str]:
    if read_manifest(store.path) is None:
        yield _set_aside(store.path / MANIFEST_NAME)
        if store.metadata is not None:
            write_manifest(store.path, store.session_id, store.metadata)
    if read_summary(store.path) is None:
        yield _set_aside(store.path / SUMMARY_NAME)
        store.save_analysis_summary()


def _set_aside(path: Path) -> str:
    if not path.exists():
        return f"{path.name} is missing: made anew"
    return f"{path.name} cannot be read: kept as {keep_whole_file(path).name}, made anew"


def _missing_answers(store: SolutionStore) -> Iterator[str]:
    progress = read_progress(store.path)
    counted = progress.current_progress.successful_tasks if progress else 0
    missing = counted - sum(store.answered_counts().values())
    if missing > 0:
        yield (
            f"{missing} answers that {PROGRESS_NAME} counts are in no .jsonl file any more: "
            "they will be asked again"
        )


def _session_folders(output: Path) -> list[Path]:
    try:
        return sorted(path for path in output.iterdir() if path.is_dir() and path.name[0] != ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{output}: cannot be read: {error.strerror}") from error


def _session_row(folder: Path) -> SessionRow:
    try:
        metadata, summary = read_metadata(folder), read_summary(folder)
        progress = read_progress(folder)
        if metadata is None:
            return _broken_row(folder, f"neither {SUMMARY_NAME} nor {MANIFEST_NAME} can be read")
        is_running = is_locked(folder)
        counts = progress.current_progress if progress else ProgressCounts()
        if not is_running and counts.successful_tasks != count_answer_lines(folder):
            counts = _counts_of_files(folder)  # it was killed, or somebody changed the files
    except StoreError as error:
        return _broken_row(folder, str(error))
    except OSError as error:
        return _broken_row(folder, f"{folder}: cannot be read: {error.strerror}")
    answered, failed = counts.successful_tasks, counts.failed_tasks
    tasks = metadata.total_tasks
    return SessionRow(
        session_id=summary.session_id if summary else folder.name,
        status=condition_of(answered=answered, failed=failed, tasks=tasks, is_running=is_running),
        started=metadata.collection_start,
        total_tasks=tasks,
        successful=answered,
        failed=failed,
        models=tuple(metadata.models),
        shard=metadata.shard,
    )


def _counts_of_files(folder: Path) -> ProgressCounts:
    whole = total(scan_session(folder).index.tallies.values())
    return ProgressCounts(successful_tasks=whole.answered, failed_tasks=whole.failed)


def _broken_row(folder: Path, trouble: str) -> SessionRow:
    return SessionRow(
        session_id=folder.name,
        status="broken",
        started=None,
        total_tasks=0,
        successful=0,
        failed=0,
        models=(),
        trouble=trouble,
    )
