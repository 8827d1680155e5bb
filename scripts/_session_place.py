"""Where a session that is named on a command line stands."""

import contextlib
import os
from pathlib import Path

from config.collection_settings import output_dir
from config.errors import ConfigError
from config.user_path import absolute_user_path
from scripts._cli import load_environment
from scripts._root import ROOT
from storage.session.session_folder import session_folder


def session_place(session: str, output_flag: str | None) -> tuple[Path, str]:
    """Return the folder of sessions and the session's id in it.

    session: an id in --output-dir, or the path of a session's folder anywhere.
    Raises ConfigError for a path where nothing is.
    """
    folder = Path(session)
    with contextlib.suppress(RuntimeError):  # a session may be named ~anything
        folder = folder.expanduser()
    sessions = output_dir(output_flag, load_environment(), ROOT)
    looks_like_path = "/" in session or os.sep in session or session in (".", "..")
    if looks_like_path and _is_folder(folder):
        named = folder.resolve()
        if output_flag is None or named.parent == sessions:
            return named.parent, named.name
    if looks_like_path and not _is_folder(session_folder(sessions, session)):
        raise ConfigError(f"{session}: no such folder of a session")
    return sessions, session


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long for any file
        return False


def session_place_anywhere(session: str, output_flag: str | None) -> tuple[Path, str]:
    """Return the same for a command whose --output-dir says where ids are, not where paths lead."""
    with contextlib.suppress(ConfigError):
        if "/" in session or os.sep in session:
            return session_place(session, None)
    return session_place(session, output_flag)


def new_session_place(session: str, output_flag: str | None) -> tuple[Path, Path]:
    """Return the folder of sessions, and in it the folder of a session that is to be made.

    session: an id for --output-dir, or the path of a folder that is not there yet.
    Raises ConfigError for a name that no session can have.
    """
    if "/" not in session and os.sep not in session:
        sessions = output_dir(output_flag, load_environment(), ROOT)
        return sessions, session_folder(sessions, session)
    place = absolute_user_path(session, "--into", Path.cwd())
    return place.parent, session_folder(place.parent, place.name)
