"""What the commands print fits a terminal of 80 columns; a run that goes well warns of nothing."""

import importlib
from pathlib import Path

import pytest

from scripts._terminal import print_table
from tests.support.command import pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_server import ProviderServer
from tests.support.sessions import write_session
from tests.support.tables import cells

LABELS = ["llama-4-maverick-17b-128e-instruct-fp8", "claude-haiku-4-5-20251001", "gpt-4o"]
COMMANDS = (
    *("run_collection", "resume_collection", "report", "compare_sessions", "export_session"),
    *("reprocess_session", "fetch_dataset", "view"),
)


def too_long(printed: str) -> list[str]:
    """Return the lines that a terminal would break, but for paths and lines to paste."""
    return [
        line
        for line in printed.splitlines()
        if len(line) > 80 and "/" not in line and not line.startswith("INFO")
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = importlib.import_module(f"scripts.{command}").build_parser().format_help()
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("run_collection.py", ("--list-models",)),
        ("resume_collection.py", ("--list-sessions",)),
        ("resume_collection.py", ("session_1", "--status")),
        ("compare_sessions.py", ("session_1",)),
        ("reprocess_session.py", ("session_1",)),
        ("export_session.py", ("session_1", "--format", "csv")),
        ("run_collection.py", ("--dry-run", "--models", *LABELS)),
    ],
)
async def test_what_it_prints_fits(tmp_path: Path, script: str, arguments: tuple[str, ...]) -> None:
    write_session(tmp_path, models=3, categories=3, per_category=4, labels=LABELS)
    environment = {"OUTPUT_DIR": str(tmp_path / "out"), "COLUMNS": "80"}
    finished = await run(script, *arguments, environment=environment)
    assert finished.exit_code == 0, finished.output
    assert too_long(finished.output) == []


@pytest.mark.slow
async def test_a_run_that_goes_well_fits_and_warns_of_nothing(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 2})
    async with ProviderServer() as server:
        finished = await run(
            "run_collection.py",
            *("--models", "grok-4.7", "--dataset-path", str(dataset)),
            *("--output-dir", str(tmp_path / "out")),
            environment={**pointed_at(server, "xai"), "COLUMNS": "80"},
        )
    assert finished.exit_code == 0, finished.output
    assert "WARNING" not in finished.output and too_long(finished.output) == []
    row = cells(finished.stdout)["grok-4.7"]
    assert (row["answered"], row["valid"], row["truncated"]) == ("2", "2", "0")
    assert float(row["cost USD"]) > 0


def test_a_table_that_is_too_wide_goes_on_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [["a-name-of-many-letters", "1", "2", "3"]]
    headings = ["model", "first", "second", "third"]
    monkeypatch.setenv("COLUMNS", "40")
    print_table(headings, rows, groups=(2, 1))
    assert capsys.readouterr().out == (
        "model                   first  second\n"
        "a-name-of-many-letters      1       2\n"
        "\n"
        "model                   third\n"
        "a-name-of-many-letters      3\n"
    )
    monkeypatch.setenv("COLUMNS", "30")
    print_table(headings, rows, groups=(2, 1))
    assert capsys.readouterr().out.splitlines()[1] == "a-name-…letters      1       2"
    monkeypatch.setenv("COLUMNS", "80")
    print_table(headings, rows)
    assert capsys.readouterr().out.splitlines()[1].endswith("  1       2      3")
