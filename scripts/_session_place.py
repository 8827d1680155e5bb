"""Where a session that is named on a command line stands."""

from pathlib import Path

from config.collection_settings import output_dir
from scripts._cli import load_environment
from scripts._root import ROOT


def session_place(session: str, output_flag: str | None) -> tuple[Path, str]:
    """Return the folder of sessions and the session's id in it.

    session: an id in --output-dir, or the path of a session's folder anywhere.
    """
    folder = Path(session).expanduser()
    sessions = output_dir(output_flag, load_environment(), ROOT)
    if len(folder.parts) > 1 and _is_folder(folder):
        named = folder.resolve()
        if output_flag is None or named.parent == sessions:
            return named.parent, named.name
    return sessions, session


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long for any file
        return False
