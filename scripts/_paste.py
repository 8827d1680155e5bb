"""Lines to paste into the shell that a command was started from."""

import shlex
import shutil
import sys
from pathlib import Path

from runners.progress.terminal_text import printable
from scripts._root import ROOT


def line_to_paste(script: str, *arguments: str) -> str:
    """Return the line that runs scripts/<script> with this Python, from where the user stands."""
    words = [_python(), _from_here(ROOT / "scripts" / script), *arguments]
    return printable(" ".join(map(shlex.quote, words)))


def _python() -> str:
    """Return "python" where that is this one, as in a venv that is activated; else its path."""
    found = shutil.which("python")
    return "python" if found == sys.executable else _from_here(Path(sys.executable))


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
