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
    if output_flag is None and len(folder.parts) > 1 and folder.is_dir():
        return folder.resolve().parent, folder.resolve().name
    return output_dir(output_flag, load_environment(), ROOT), folder.name
