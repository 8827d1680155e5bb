"""make with one Python or another: an old .venv is made anew, an old Python is one line."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
# Says its version, makes a folder that holds itself, and notes whatever else it is told to do.
PYTHON = """#!/bin/sh
case "$1 $2" in
"-c "*) echo VERSION ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*) echo "VERSION $*" >> done.txt ;;
esac
"""


def fake_python(folder: Path, version: str) -> Path:
    path = folder / f"python{version}"
    path.write_text(PYTHON.replace("VERSION", version))
    path.chmod(0o755)
    return path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without what a make that runs these tests says to those below it.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, env=environment
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for file in [ROOT / "Makefile", *ROOT.glob("requirements*.txt")]:
        shutil.copy(file, tmp_path)
    return tmp_path


def done(project: Path) -> list[str]:
    """Return what the fake Pythons were told since the last look."""
    lines = (project / "done.txt").read_text().splitlines()
    (project / "done.txt").unlink()
    return lines


def test_a_venv_of_another_version_is_made_anew(project: Path) -> None:
    older, newer = fake_python(project, "3.11"), fake_python(project, "3.14")
    assert make(project, "run", f"PYTHON={older}").returncode == 0
    assert len(done(project)) == 3
    assert make(project, "run", f"PYTHON={older}").returncode == 0
    assert len(done(project)) == 1, "nothing is installed twice"
    again = make(project, "run", f"PYTHON={newer}")
    assert ".venv is not of Python 3.14: making it anew" in again.stdout
    lines = done(project)
    assert len(lines) == 3 and all(line.startswith("3.14 ") for line in lines)
    (project / ".venv" / "bin" / "python").unlink()  # its Python was uninstalled
    (project / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.14")
    assert make(project, "run", f"PYTHON={newer}").returncode == 0
    assert len(done(project)) == 3


@pytest.mark.parametrize("version", ["2.7", "3.9", "3.10"])
def test_a_python_that_is_too_old_is_one_line(project: Path, version: str) -> None:
    old = fake_python(project, version)
    refused = make(project, "test", f"PYTHON={old}")
    assert refused.returncode == 2 and refused.stdout == ""
    [line] = refused.stderr.splitlines()
    assert f"{old} is Python {version}, 3.11 or newer is needed" in line
    assert not (project / ".venv").exists()


def test_no_python_at_all_is_one_line(project: Path) -> None:
    [line] = make(project, "run", "PYTHON=no-such-python").stderr.splitlines()
    assert "no no-such-python is installed" in line
