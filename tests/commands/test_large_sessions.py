"""Commands that read a large session with several processes say and write the same as with one."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from config.collection_settings import CollectionSettings
from processors.workers.executor import WorkerExecutor
from scripts import report, resume_collection
from storage.records import answer_scan
from tests.support.report_page import ReportPage
from tests.support.session_check import read_object
from tests.support.sessions import write_session

P = ParamSpec("P")
T = TypeVar("T")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every session counts as large; the names of the functions that processes were given."""
    names: list[str] = []

    class Noting(WorkerExecutor):
        def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
            names.append(fn.__name__)
            return super().submit(fn, *args, **kwargs)

    monkeypatch.setattr("storage.records.answer_scan.WorkerExecutor", Noting)
    monkeypatch.setattr("processors.workers.engine.WorkerExecutor", Noting)
    monkeypatch.setattr(answer_scan, "LARGE_BYTES", 0)
    monkeypatch.setattr(answer_scan, "ALONE_BYTES", 0)
    monkeypatch.setattr("reports.report._MANY_ANSWERS", 0)
    return names


def finished(tmp_path: Path) -> Path:
    """Return a session whose every task is answered."""
    made = write_session(tmp_path, models=2, categories=2, per_category=20).path
    settings = CollectionSettings(models=("model-0", "model-1"), output_dir=tmp_path)
    manifest = read_object(made / "manifest.json")
    manifest["metadata"]["session_parameters"].update(settings.to_parameters())
    (made / "manifest.json").write_text(json.dumps(manifest))
    return made


def test_a_session_opens_and_reports_alike_for_any_number_of_workers(
    tmp_path: Path, sent: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    made = finished(tmp_path)
    found = []
    for workers in ("1", "2"):
        copy = tmp_path / workers / made.name
        shutil.copytree(made, copy)
        assert resume_collection.main([str(copy), "--workers", workers]) == 0
        assert report.main([str(copy), "--workers", workers]) == 0
        printed = capsys.readouterr()
        overview = ReportPage(copy / "report.html").overview
        del overview["written"], overview["evaluation"]  # the time, and a command with the folder
        progress = read_object(copy / "progress.json")
        told = progress["current_progress"], progress["spent_usd"]
        said = printed.out.replace(str(copy.parent), ""), printed.err
        found.append((said, told, read_object(copy / "summary.json")["spending"], overview))
        if workers == "1":
            assert sent == []
    assert found[0] == found[1]
    assert set(sent) == {"plain_block", "look_through"}


def test_small_sessions_start_no_process(
    tmp_path: Path, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("storage.records.answer_scan.WorkerExecutor", None)
    monkeypatch.setattr("processors.workers.engine.WorkerExecutor", None)
    made = finished(tmp_path)
    assert resume_collection.main([str(made), "--workers", "2"]) == 0
    assert report.main([str(made), "--workers", "2"]) == 0
    assert sent == []
