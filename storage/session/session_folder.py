"""Where a session stands, and how a new one gets a folder that no other run has."""

import os
import tempfile
from pathlib import Path

from config.clock import Clock
from config.errors import ConfigError
from storage.files.durability import write_error
from storage.files.safe_names import safe_name
from storage.files.utf8_text import clean_text
from storage.session.manifest import MANIFEST_NAME, SUMMARY_NAME

EVALUATION_FOLDER = "evaluation"  # in a session; its files hold judgements, not answers
BATCHES_FOLDER = "batches"  # and this one's what was sent to batch APIs, and came back


def session_folder(output_dir: Path, session_id: str) -> Path:
    """Return the folder of a session, which need not exist; it never leaves output_dir.

    Raises ConfigError for an empty id.
    """
    if not session_id.strip():
        raise ConfigError("the session id is empty")
    return output_dir / safe_name(session_id)


def check_sessions_can_be_made(output_dir: Path) -> None:
    """Raise StoreError where no session could be made in output_dir, which need not exist.

    Tried for real, in a folder of its own that is gone afterwards: permission bits do not tell of
    a read-only or full disk, or of a name that is too long.
    """
    try:
        existing = next(path for path in (output_dir, *output_dir.parents) if path.exists())
        with tempfile.TemporaryDirectory(dir=existing, prefix=".dry-run-") as trial:
            (Path(trial) / output_dir.relative_to(existing) / "session").mkdir(parents=True)
    except OSError as error:
        raise write_error(output_dir, error) from error


def check_out(target: Path) -> None:
    """Raise ConfigError where what the user names cannot be replaced without harm.

    That is a file among a session's own, and a link or a device such as /dev/stdout.
    """
    is_plain = target.is_dir() or (target.is_file() and not target.is_symlink())
    if os.path.lexists(target) and not is_plain:
        raise ConfigError(f"--out {target}: is a link or a device: name a file to write")
    place = target.resolve()
    for folder in (place, *place.parents):
        if (folder / MANIFEST_NAME).exists() or (folder / SUMMARY_NAME).exists():
            raise ConfigError(
                f"--out {target}: {folder} belongs to a session and holds its own files"
            )


def default_session_id(output_dir: Path, clock: Clock) -> str:
    """Return a timestamp-based id that no session in output_dir has."""
    first = f"session_{int(clock.time())}"
    session_id, number = first, 1
    while session_folder(output_dir, session_id).exists():
        number += 1
        session_id = f"{first}_{number}"
    return session_id


def claim_folder(output_dir: Path, session_id: str | None, clock: Clock) -> tuple[str, Path]:
    """Return a session's id and its folder, which exists; without an id they are new.

    Raises StoreError where the folder cannot be made.
    """
    folder = output_dir
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        if session_id is not None:
            folder = session_folder(output_dir, session_id)
            folder.mkdir(exist_ok=True)
            return clean_text(session_id), folder
        while True:
            new_id = default_session_id(output_dir, clock)
            folder = session_folder(output_dir, new_id)
            try:
                folder.mkdir()
            except FileExistsError:
                continue  # another run of the same second was faster
            return new_id, folder
    except OSError as error:
        raise write_error(folder, error) from error
