"""Where a session that is named on a command line stands."""

from pathlib import Path

from config.collection_settings import output_dir
from scripts._cli import load_environment
from scripts._root import ROOT
from storage.session_folder import session_folder


def session_place(session: str, output_flag: str | None) -> tuple[Path, str]:
    """Return the folder of sessions and the session's id in it.

    session: an id in --output-dir, or the path of a session's folder anywhere.
    """
    folder = Path(session).expanduser()
    if output_flag is None and len(folder.parts) > 1 and _is_folder(folder):
        return folder.resolve().parent, folder.resolve().name
    sessions = output_dir(output_flag, load_environment(), ROOT)
    if session_folder(sessions, session).is_dir():  # an id may hold slashes
        return sessions, session
    return sessions, session


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long for any file
        return False
