"""What must be alike on all machines of a cluster; standard library only, for any node's Python."""

import hashlib
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CODE_FOLDERS = (
    *("config", "prompts", "models", "processors", "storage"),
    *("evaluation", "reports", "runners", "scripts"),
)
# What work on a node imports; the rest of requirements.txt is for who collects.
_PACKAGES = ("ray", "msgspec", "python-dotenv")
_ROOT = Path(__file__).resolve().parent.parent.parent


def facts(more: Iterable[str] = ()) -> dict[str, str]:
    """Return what this machine runs: versions, and a digest of this program's code.

    more: further packages that the work needs.
    """
    return {
        "Python": platform.python_version(),
        **{name: _version(name) for name in (*_PACKAGES, *more)},
        "code": _code_digest(),
    }


def takes_tokens() -> bool:
    """Return whether this process, as its node's, lets in nobody without a token."""
    return os.environ.get("RAY_AUTH_MODE", "").lower() == "token"


def describe_node(packages: Sequence[str]) -> tuple[dict[str, str], bool]:
    """Return a node's facts, and whether it takes tokens."""
    return facts(packages), takes_tokens()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _code_digest() -> str:
    whole = hashlib.sha256()
    for folder in CODE_FOLDERS:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            whole.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]
