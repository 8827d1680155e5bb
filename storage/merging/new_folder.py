"""The folder of a merged session: whole under its name, or not there at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from config.errors import ConfigError
from storage.files.durability import flush_file, flush_folder, write_error
from storage.files.regular_file import refuse_link
from storage.session.manifest import MANIFEST_NAME, SUMMARY_NAME
from storage.session.session_lock import LOCK_NAME, SessionLock


@contextlib.contextmanager
def new_session_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes `folder`'s place once the block ends without an error.

    It has the same name, in a hidden folder beside it; what a killed merge left there is cleared.
    Raises ConfigError where something is in the place, StoreError where it cannot be written or
    another merge is at work.
    """
    refuse_taken(folder)
    workshop = folder.parent / f".merging-{folder.name}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        refuse_link(workshop)
        workshop.mkdir(exist_ok=True)
        with SessionLock(workshop):
            try:
                _clear(workshop)
                building = workshop / folder.name
                building.mkdir()
                yield building
                _flush(building)
                refuse_taken(folder)
                building.rename(folder)
                flush_folder(folder.parent)
            finally:
                shutil.rmtree(workshop, ignore_errors=True)
    except OSError as error:
        raise write_error(folder, error) from error


def refuse_taken(folder: Path) -> None:
    """Raise ConfigError where no new session can be made: something is there, or around it."""
    if os.path.lexists(folder):
        raise ConfigError(f"--into {folder}: is there already: name a new folder")
    for place in folder.parents:
        if (place / MANIFEST_NAME).exists() or (place / SUMMARY_NAME).exists():
            raise ConfigError(f"--into {folder}: {place} is a session, which holds no other")


def _clear(workshop: Path) -> None:
    for path in workshop.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK_NAME:
            path.unlink()


def _flush(building: Path) -> None:
    """Return once all that stands in a folder is on the disk."""
    for path in sorted(building.rglob("*"), reverse=True):
        flush_folder(path) if path.is_dir() else flush_file(path)
    flush_folder(building)
