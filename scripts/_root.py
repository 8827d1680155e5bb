"""Where the project is; importing this stops with one line where it cannot run."""

import sys
from importlib.util import find_spec
from pathlib import Path

from scripts._streams import open_standard_streams

open_standard_streams()

ROOT = Path(__file__).resolve().parent.parent

_VENV_PYTHON = ROOT / ".venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
_ALWAYS_NEEDED = ("aiohttp", "dotenv", "msgspec", "tqdm")


def _stop(reason: str) -> None:
    print(f"error: {reason}", file=sys.stderr)
    raise SystemExit(2)


if sys.version_info < (3, 11):  # noqa: UP036 - said plainly, before an older Python stumbles
    _stop("Python 3.11 or newer is needed, this is " + sys.version.split()[0])

_missing = [name for name in _ALWAYS_NEEDED if find_spec(name) is None]
if _missing:
    _stop(
        f"not installed for {sys.executable}: {', '.join(_missing)}; "
        + (f"use {_VENV_PYTHON} instead, or " if _VENV_PYTHON.exists() else "")
        + f"run {sys.executable} -m pip install -r {ROOT / 'requirements.txt'}"
    )
