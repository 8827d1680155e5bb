"""A category's file that is full is followed by another one; whoever reads a session reads all."""

import csv
import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from config.clock import SystemClock
from config.collection_settings import CollectionSettings
from reports.board.session_listing import answers_stamp
from reports.board.session_reading import entry_from_answers, entry_from_summary
from reports.board.session_tail import SessionTail
from scripts import export_session, merge_sessions, report, reprocess_session
from storage.records import part_names
from storage.records.sidecars import Sidecars
from storage.session.spending_file import Spending, write_spending
from storage.sessions import open_session
from storage.solution_store import SolutionStore
from storage.views.verdicts import last_judgements
from tests.support.report_page import ReportPage
from tests.support.session_check import answers_in, read_object
from tests.support.session_commands import COMMANDS, EVALUATE, MODELS, session_bench
from tests.support.sessions import write_judgements, write_session
from tests.support.store_records import START, solution

Main = Callable[[list[str] | None], int]
OWN = {"written", "parameters"}  # of a page: the one names the dataset's folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of answers is full with its second answer."""
    monkeypatch.setattr(part_names, "MOST_FILE_BYTES", 1000)


def names(store: SolutionStore) -> list[str]:
    return [path.name for path in chain.from_iterable(store.answer_files("gpt-4"))]


def ids(store: SolutionStore, category: str) -> list[object]:
    return [each["task_id"] for each in store.load_solutions_from_jsonl("gpt-4", category)]


@pytest.mark.usefixtures("small")
def test_a_full_file_is_followed_by_another(tmp_path: Path) -> None:
    tasks = [f"t{number}" for number in range(7)]
    store = SolutionStore(tmp_path, "s")
    for task_id in tasks:
        store.append(solution(task_id, category="typing"))
        store.checkpoint()
    parts = ["typing.jsonl", "typing.0002.jsonl", "typing.0003.jsonl", "typing.0004.jsonl"]
    for again in (store, SolutionStore(tmp_path, "s")):
        assert names(again) == parts
        assert again.get_category_files("gpt-4") == {"typing": store.path / "gpt-4" / parts[0]}
        assert ids(again, "typing") == tasks
    again.append(solution("t7", category="typing"))
    again.append(solution("t8", category="typing"))
    again.finish()
    assert names(again) == [*parts, "typing.0005.jsonl"]
    (table,) = (store.path / "gpt-4").glob("*.csv")
    with table.open(newline="", encoding="utf-8-sig") as lines:
        assert [row["task_id"] for row in csv.DictReader(lines)] == [*tasks, "t7", "t8"]
    assert SolutionStore(tmp_path, "s").repair() == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("is_first", [True, False])
def test_a_category_may_be_called_like_a_part(tmp_path: Path, is_first: bool) -> None:
    own, other = [f"a{n}" for n in range(5)], [f"b{n}" for n in range(5)]
    order = [(other, "typing.0002"), (own, "typing")] if is_first else [(own, "typing")]
    store = SolutionStore(tmp_path, "s")
    for tasks, category in (*order, *([] if is_first else [(other, "typing.0002")])):
        for task_id in tasks:
            store.append(solution(task_id, category=category))
    again = SolutionStore(tmp_path, "s")
    for each in (store, again):
        assert ids(each, "typing") == own
        assert ids(each, "typing.0002") == other
    again.append(solution("a5", category="typing"))
    again.append(solution("b5", category="typing.0002"))
    again.finish()
    assert SolutionStore(tmp_path, "s").repair() == []
    assert ids(SolutionStore(tmp_path, "s"), "typing") == [*own, "a5"]
    assert ids(SolutionStore(tmp_path, "s"), "typing.0002") == [*other, "b5"]
    assert len(names(again)) == 6 and len(set(names(again))) == 6


@pytest.mark.usefixtures("small")
def test_a_part_that_is_gone_is_asked_again_and_what_is_left_is_read(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    for number in range(6):
        store.append(solution(f"t{number}", category="typing"))
    (store.path / "gpt-4" / "typing.jsonl").unlink()
    assert store.take_stock() == [
        "2 answers of gpt-4 are gone: their file was deleted or emptied while the run went on; "
        "a resume asks for them again"
    ]
    again = SolutionStore(tmp_path, "s")
    for number in range(2):
        again.append(solution(f"t{number}", category="typing"))
    assert ids(SolutionStore(tmp_path, "s"), "typing") == ["t2", "t3", "t4", "t5", "t0", "t1"]


@pytest.mark.usefixtures("small")
def test_damage_in_any_part_is_set_aside_there(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    for number in range(5):
        store.append(solution(f"t{number}", category="typing"))
    first, second, third = (store.path / "gpt-4" / name for name in names(store))
    doubled = first.read_bytes().splitlines(keepends=True)[0]
    second.write_bytes(second.read_bytes() + doubled)
    third.write_bytes(third.read_bytes() + b'{"task_id": "t5", "mod')
    damaged = SolutionStore(tmp_path, "s")
    assert ids(damaged, "typing") == [f"t{number}" for number in range(5)]
    said = damaged.repair()
    assert [sentence.partition(":")[0] for sentence in said] == [
        "gpt-4/typing.0002.jsonl",
        "gpt-4/typing.0003.jsonl",
    ]
    assert third.with_name("typing.0003.jsonl.damaged").read_bytes().startswith(b'{"task_id"')
    assert SolutionStore(tmp_path, "s").repair() == []


@pytest.mark.usefixtures("small")
def test_every_long_part_has_a_sidecar(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s", sidecars=Sidecars(least_bytes=1, step_bytes=1))
    for number in range(6):
        store.append(solution(f"t{number}", category="typing"))
    store.finish()
    sidecars = sorted(path.name for path in (store.path / "gpt-4").glob(".*.sidecar"))
    assert sidecars == sorted(f".{name}.sidecar" for name in names(store))
    again = SolutionStore(tmp_path, "s")
    assert (names(again), again.tallies) == (names(store), store.tallies)
    for path in (store.path / "gpt-4").glob(".*.sidecar"):
        path.unlink()
    assert SolutionStore(tmp_path, "s").tallies == store.tallies


def complete_judgements(session: Path) -> None:
    """Add what a merge wants of a verdict beside what pages show."""
    rests_on = {"solution_sha": "s", "tests_sha": "t", "policy": "p", "python": "3.11"}
    for path in session.glob("evaluation/*/*.jsonl"):
        category = path.name.split(".")[0]
        lines = [
            {**line, **rests_on, "category": category, "timestamp": START, "decoys": {}}
            for line in _lines(path)
        ]
        for line in lines:
            line.pop("failed_test")
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The same session twice: with a file a category, and with several."""
    found = []
    for name, most_bytes in (("plain", part_names.MOST_FILE_BYTES), ("rolled", 8_000)):
        monkeypatch.setattr(part_names, "MOST_FILE_BYTES", most_bytes)
        made = write_session(tmp_path / name, models=2, categories=2, per_category=12, samples=2)
        write_judgements(made)
        complete_judgements(made.path)
        settings = CollectionSettings(
            models=("one", "two"), api_ids=("one-1", "two-1"), output_dir=tmp_path, samples=2
        )
        manifest = read_object(made.path / "manifest.json")
        asked = {**settings.to_parameters(), "dataset_path": str(tmp_path / name / "dataset")}
        manifest["metadata"]["session_parameters"].update(asked)
        (made.path / "manifest.json").write_text(json.dumps(manifest))
        write_spending(made.path, Spending(committed_usd=1.0))
        open_session(made.path.parent, made.session_id).finish()
        found.append(made.path)
    yield found


def joined(folder: Path) -> dict[str, bytes]:
    """Return model/category -> its answers, whatever files they stand in."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("model-*/*.jsonl"), key=part_names.in_order):
        name = f"{path.parent.name}/{path.name.split('.')[0]}"
        found[name] = found.get(name, b"") + path.read_bytes()
    return found


def views(folder: Path) -> dict[str, Any]:
    """Return what tables and summaries of a session say, but for the count of files."""
    summary = read_object(folder / "summary.json")
    for model in summary["model_summaries"].values():
        model["overview"].pop("answer_files", None)
    comparison = (folder / "cross_model_comparison.json").read_bytes()
    tables = {path.name: path.read_bytes() for path in sorted(folder.glob("model-*/*.csv"))}
    return {"summaries": summary["model_summaries"], "comparison": comparison, "tables": tables}


def test_answers_and_views_are_the_same_however_many_files(sessions: list[Path]) -> None:
    plain, rolled = sessions
    assert not list(plain.glob("*/*.0002.*"))
    assert len(list(rolled.glob("model-*/category_00.*.jsonl"))) > 4
    assert joined(rolled) == joined(plain)
    assert answers_in(rolled) == answers_in(plain)
    assert views(rolled) == views(plain)


def told(main: Main, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_commands_tell_the_same_however_many_files(
    sessions: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exports: list[dict[str, bytes]] = []
    for path in sessions:
        for kind in ("csv", "jsonl", "runcodeeval"):
            told(export_session.main, [str(path), "--format", kind], capsys)
        files = [*path.glob("solutions.*"), *path.glob("runcodeeval/**/*.jsonl")]
        exports.append({str(each.relative_to(path)): each.read_bytes() for each in files})
    assert exports[0] == exports[1] and len(exports[0]) > 4
    pages = []
    for path in sessions:
        told(report.main, [str(path)], capsys)
        page = ReportPage(path / "report.html")
        pages.append({name: page.overview[name] for name in page.overview.keys() - OWN})
    assert pages[0] == pages[1]
    for path in sessions:
        told(reprocess_session.main, [str(path), "--workers", "1"], capsys)
    plain, rolled = (next((path / "reprocessed").glob("[!.]*")) for path in sessions)
    assert joined(rolled) == joined(plain)
    assert len(list(rolled.glob("*/*.jsonl"))) > len(list(plain.glob("*/*.jsonl")))


@pytest.mark.slow
def test_merged_sessions_roll_and_verdicts_stand_beside_their_answers(
    sessions: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain, rolled = sessions
    whole = open_session(plain.parent, plain.name)
    for source, most_bytes in ((plain, 8_000), (rolled, 15_000), (rolled, 10**9)):
        monkeypatch.setattr(part_names, "MOST_FILE_BYTES", most_bytes)
        into = tmp_path / f"from-{source.parent.parent.name}-{most_bytes}"
        told(merge_sessions.main, [str(source), "--into", str(into)], capsys)
        store = open_session(into.parent, into.name)
        assert joined(into) == joined(plain)
        for model in whole.answered_counts():
            for path in chain.from_iterable(store.answer_files(model)):
                told_of = {task for _, task, _ in last_judgements([path])}
                assert told_of == {record["task_id"] for record in _lines(path)}
        is_rolled = bool(list(into.glob("model-*/*.0002.jsonl")))
        assert is_rolled is (most_bytes < 10**9)


@pytest.mark.slow
def test_a_run_rolls_and_every_command_takes_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_names, "MOST_FILE_BYTES", 1000)
    with session_bench(tmp_path) as bench:
        for name in COMMANDS:
            copy = bench.fresh_copy()
            answers = answers_in(copy)
            finished = bench.run(COMMANDS[name])
            assert finished.exit_code in (0, 1), (name, finished.output)
            assert answers_in(copy).items() >= answers.items(), name
        parts = sorted(path.name for path in copy.glob(f"{MODELS[1]}/*.jsonl"))
        assert parts == ["sums.0002.jsonl", "sums.jsonl", "texts.0002.jsonl", "texts.jsonl"]
        assert len(answers_in(copy)) == 8
        assert bench.run(EVALUATE).exit_code == 0
        judged = sorted(path.name for path in copy.glob(f"evaluation/{MODELS[1]}/*.jsonl"))
        assert judged == parts


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_the_board_reads_the_summary_of_a_session_of_parts(sessions: list[Path]) -> None:
    for path in sessions:
        entry = entry_from_summary(path, answers_stamp(path))
        assert entry is not None
        now = SystemClock().time()
        other = entry_from_answers(path, SessionTail(path), is_running=False, now=now)
        counts = [[(row.answered, row.failed) for row in each.models] for each in (entry, other)]
        assert counts[0] == counts[1]
    next(sessions[1].glob("model-0/category_00.0003.jsonl")).unlink()
    assert entry_from_summary(sessions[1], answers_stamp(sessions[1])) is None
