"""export_session.py: the same tidy table in three formats, and the CodeEval evaluator's folders."""

import csv
import json
import os
import shlex
import sys
from pathlib import Path

import msgspec
import pytest

from config.errors import ConfigError
from prompts.problems import load_problems
from reports.exports.table_files import TableFormat
from reports.session_export import TABLE_FORMATS, export_session
from storage.sessions import create_session, open_session
from storage.solution_store import SolutionStore
from tests.support.command import pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_server import ProviderServer
from tests.support.sessions import write_judgements, write_session
from tests.support.slow import few
from tests.support.store_records import answers_on_disk, failure, metadata, solution

PIP_LINE = "pip install -r requirements-export.txt"


@pytest.fixture
def store(tmp_path: Path) -> SolutionStore:
    return write_session(tmp_path, models=3, categories=4, per_category=10)


async def export(store: SolutionStore, kind: str, *arguments: str) -> str:
    finished = await run("export_session.py", str(store.path), "--format", kind, *arguments)
    assert finished.exit_code == 0, finished.output
    return finished.stdout


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_jsonl_has_a_row_a_task_answered_or_failed(store: SolutionStore) -> None:
    said = await export(store, "jsonl")
    rows = lines(store.path / "solutions.jsonl")
    assert said.startswith("120 rows: ")
    assert len(rows) == len({(row["model"], row["task_id"]) for row in rows}) == 120
    failed = [row for row in rows if row["outcome"] == "failed"]
    assert len(failed) == sum(tally.failed for tally in store.tallies.values())
    assert sum(row["is_valid"] is True for row in rows) == sum(
        tally.valid for tally in store.tallies.values()
    )
    kept = answers_on_disk(store)
    for row in rows:
        key = (str(row["model"]), str(row["category"]), str(row["task_id"]))
        assert row["raw_response"] == kept.get(key)


@pytest.mark.slow
async def test_an_export_inside_a_session_is_never_taken_for_answers(store: SolutionStore) -> None:
    before = {model: set(store.answered(model)) for model in store.answered_counts()}
    for kind in ("jsonl", "csv", "runcodeeval"):
        await export(store, kind)
    again = open_session(store.path.parent, store.session_id)
    assert {model: set(again.answered(model)) for model in again.answered_counts()} == before
    assert again.repair() == []


@pytest.mark.slow
async def test_csv_holds_the_same_table(store: SolutionStore, tmp_path: Path) -> None:
    await export(store, "jsonl", "--out", str(tmp_path / "all.jsonl"))
    await export(store, "csv", "--out", str(tmp_path / "all.csv"))
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    rows = lines(tmp_path / "all.jsonl")
    assert list(cells[0]) == list(rows[0])
    for cell, row in zip(cells, rows, strict=True):
        for name in ("task_id", "model", "outcome", "extracted_solution", "raw_response"):
            assert cell[name] == (row[name] or "")


async def test_csv_cells_are_no_formulas(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    store.append(solution(raw_response="=HYPERLINK(1)"))
    store.finish()
    await export(store, "csv")
    assert "'=HYPERLINK(1)" in (store.path / "solutions.csv").read_text(encoding="utf-8")


async def test_parquet_is_the_same_table_with_types(store: SolutionStore) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason=f"pyarrow: {PIP_LINE}")
    await export(store, "jsonl")
    await export(store, "parquet")
    table = parquet.read_table(store.path / "solutions.parquet")
    rows = lines(store.path / "solutions.jsonl")
    for row, cells in zip(rows, table.to_pylist(), strict=True):
        moment = cells.pop("timestamp")
        assert moment.isoformat(timespec="microseconds") == row.pop("timestamp_iso")
        assert moment.timestamp() == pytest.approx(row.pop("timestamp"), abs=1e-5)
        nested = {name: cells.pop(name) for name in ("validation", "parameters")}
        for name, value in nested.items():
            assert without_nulls(value) == without_nulls(row.pop(name))
        assert cells == row
    types = {name: str(table.schema.field(name).type) for name in table.schema.names}
    assert types["timestamp"] == "timestamp[us, tz=UTC]"
    assert types["parameters"] == "struct<temperature: double, max_tokens: int64>"
    assert types["validation"].startswith("struct<is_fully_valid: bool, syntax: struct<")
    assert types["task_id"] == types["outcome"] == types["error"] == "string"
    assert types["is_valid"] == types["extraction_is_ambiguous"] == "bool"
    assert types["complexity"] == types["input_tokens"] == types["passed_tests"] == "int64"
    assert types["execution_time"] == types["cost_usd"] == types["cpu_seconds"] == "double"


def without_nulls(value: object) -> object:
    """Return a value without the keys that a struct has and an object need not have."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def test_parquet_takes_objects_of_any_shape(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason=f"pyarrow: {PIP_LINE}")
    store = SolutionStore(tmp_path, "session_1")
    odd: list[dict[str, object]] = [
        {"top_p": 1, "stop": ["a"], "more": {}},
        {"top_p": 0.5, "stop": "b", "big": 2**80},
        {},
    ]
    for number, parameters in enumerate(odd):
        record = solution(f"dataclass_{number}", verdict={"syntax": "no object", "by": "others"})
        store.append(msgspec.structs.replace(record, parameters=parameters))
    store.finish()
    export_session(store, "parquet", store.path / "solutions.parquet")
    table = parquet.read_table(store.path / "solutions.parquet").to_pylist()
    assert [row["parameters"] for row in table] == [
        {"top_p": 1.0, "stop": '["a"]', "more": "{}", "big": None},
        {"top_p": 0.5, "stop": '"b"', "more": None, "big": str(2**80)},
        {"top_p": None, "stop": None, "more": None, "big": None},
    ]
    assert {row["validation"]["syntax"] for row in table} == {'"no object"'}
    assert {row["validation"]["by"] for row in table} == {"others"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", TABLE_FORMATS)
def test_a_table_is_the_same_for_any_number_of_workers(
    store: SolutionStore, kind: TableFormat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow.parquet", reason=f"pyarrow: {PIP_LINE}")
    write_judgements(store)
    monkeypatch.setattr("reports.exports.row_work._ROWS_A_CHUNK", 7)
    files = [tmp_path / name for name in ("here", "small", "workers")]
    export_session(store, kind, files[0], workers=1)
    with monkeypatch.context() as patched:  # for a few rows no process is started
        patched.setattr("processors.workers.engine.WorkerExecutor", None)
        export_session(store, kind, files[1], workers=2)
    monkeypatch.setattr("reports.session_export._MANY_ANSWERS", 0)
    exported = export_session(store, kind, files[2], workers=2)
    assert exported.rows == 120
    assert len({file.read_bytes() for file in files}) == 1


async def test_workers_are_for_tables_alone(store: SolutionStore) -> None:
    arguments = ("export_session.py", str(store.path), "--format", "runcodeeval", "--workers", "2")
    finished = await run(*arguments)
    assert finished.exit_code == 2
    assert finished.stderr.startswith("error: --workers is for tables: parquet, jsonl, csv")


def test_a_failed_row_is_a_whole_row(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=3, categories=4, per_category=40)
    export_session(store, "jsonl", store.path / "solutions.jsonl")
    rows = lines(store.path / "solutions.jsonl")
    asked = {
        row["task_id"]: (row["category"], row["complexity"], row["name"], row["object"])
        for row in rows
        if row["outcome"] != "failed"
    }
    failed = [row for row in rows if row["outcome"] == "failed"]
    assert failed
    for row in failed:
        mine = (row["category"], row["complexity"], row["name"], row["object"])
        assert mine == asked[row["task_id"]] and row["problem"]


def test_a_problem_that_nobody_answered_is_known_by_the_dataset(tmp_path: Path) -> None:
    problems = load_problems(write_dataset(tmp_path / "dataset", {"sums": 2}))
    parameters = {"dataset_path": str(tmp_path / "dataset"), "api_ids": ["gpt-4-0613"]}
    asked = msgspec.structs.replace(
        metadata(models=("gpt-4",), categories=("sums",), total_problems=2),
        session_parameters=parameters,
        dataset={problem.task_id: problem.content_hash for problem in problems},
    )
    store = create_session(tmp_path / "out", "s", asked)
    store.append_failure(failure(problems[0].task_id, category="sums"))
    store.finish()
    export_session(store, "jsonl", tmp_path / "all.jsonl")
    (row,) = lines(tmp_path / "all.jsonl")
    assert (row["name"], row["object"], row["problem"], row["complexity"]) == (
        problems[0].name,
        problems[0].object,
        problems[0].problem,
        problems[0].complexity,
    )
    assert row["requested_model"] == "gpt-4-0613"


def test_verdicts_are_columns_and_null_where_not_judged(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    for number in (1, 2, 3):
        store.append(solution(f"dataclass_{number}"))
    store.append_failure(failure("dataclass_4"))
    store.finish()
    judge(store, "dataclass_1", verdict="failed", reason="timeout", passed_tests=2, total_tests=3)
    judge(store, "dataclass_1", verdict="passed", passed_tests=3, total_tests=3, cpu_seconds=0.5)
    judge(store, "dataclass_2", verdict="not_run", reason="bad_problem", total_tests=3)
    judge(store, "dataclass_3", verdict="passed", passed_tests=2**70, total_tests=1, cpu_seconds=-1)
    export_session(store, "jsonl", tmp_path / "all.jsonl")
    columns = ("verdict", "reason", "passed_tests", "total_tests", "cpu_seconds")
    assert [tuple(row[name] for name in columns) for row in lines(tmp_path / "all.jsonl")] == [
        ("passed", None, 3, 3, 0.5),
        ("not_run", "bad_problem", None, None, None),
        ("passed", None, None, 1, None),
        (None, None, None, None, None),
    ]


def judge(store: SolutionStore, task_id: str, **found: object) -> None:
    """Add a line as the evaluation writes it."""
    path = store.path / "evaluation" / "gpt-4" / "dataclass.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"task_id": task_id, "model": "gpt-4", "sample": 1, **found}) + "\n")


def test_a_missing_pyarrow_names_the_line_that_installs_it(
    store: SolutionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # how Python marks what cannot be imported
    with pytest.raises(ConfigError, match=PIP_LINE):
        export_session(store, "parquet", store.path / "solutions.parquet")
    assert not (store.path / "solutions.parquet").exists()


async def test_the_evaluators_layout_has_a_folder_a_model(
    store: SolutionStore, tmp_path: Path
) -> None:
    target = tmp_path / "for evaluation"
    said = await export(store, "runcodeeval", "--out", str(target))
    assert "--solutions" in said
    assert sorted(path.name for path in target.iterdir()) == [
        "benchmark",
        "model-0",
        "model-1",
        "model-2",
    ]
    found = {}
    for path in target.glob("model-*/*.jsonl"):
        for row in lines(path):
            assert set(row) == {"task_id", "model", "candidate_solution"}
            found[row["model"], path.stem, row["task_id"]] = row["candidate_solution"]
    expected = {
        (model, category, str(row["task_id"])): row["extracted_solution"]
        for model in store.answered_counts()
        for category in store.get_category_files(model)
        for row in store.load_solutions_from_jsonl(model, category)
    }
    assert found == expected


async def test_failures_are_absent_for_the_evaluator_and_empty_answers_are_not(
    tmp_path: Path,
) -> None:
    store = SolutionStore(tmp_path, "session_1")
    store.append_failure(failure("dataclass_1"))
    store.append(solution("dataclass_2", code=""))
    store.finish()
    await export(store, "runcodeeval")
    rows = lines(store.path / "runcodeeval" / "gpt-4" / "dataclass.jsonl")
    assert rows == [{"task_id": "dataclass_2", "model": "gpt-4", "candidate_solution": ""}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("jsonl", "session_1/model-0/more.jsonl"),
        ("jsonl", "session_1/failures.jsonl"),
        ("csv", "session_1/new/all.csv"),
        ("runcodeeval", "session_1"),
        ("runcodeeval", "session_1/elsewhere"),
    ],
)
async def test_an_export_never_lands_among_a_sessions_own_files(
    store: SolutionStore, kind: str, place: str
) -> None:
    before = sorted(store.path.rglob("*"))
    target = str(store.path.parent / place)
    finished = await run("export_session.py", str(store.path), "--format", kind, "--out", target)
    assert finished.exit_code == 2
    assert "belongs to a session" in finished.stderr
    assert sorted(store.path.rglob("*")) == before


@pytest.mark.parametrize("kind", few(["csv", "leaderboard", "jsonl"], 1))
async def test_an_export_replaces_no_link_and_no_pipe(
    store: SolutionStore, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        target = str(tmp_path / name)
        line = ("export_session.py", str(store.path), "--format", kind, "--out", target)
        finished = await run(*line)
        assert finished.exit_code == 2
        assert "is a link or a device" in finished.stderr
    assert (tmp_path / "link").is_symlink() and (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "file").read_text() == "mine"


async def test_a_folder_that_is_missing_is_named(store: SolutionStore, tmp_path: Path) -> None:
    target = str(tmp_path / "nowhere" / "all.csv")
    finished = await run("export_session.py", str(store.path), "--format", "csv", "--out", target)
    assert finished.exit_code == 1
    assert target in finished.stderr


async def test_records_that_were_reprocessed_are_not_exported(store: SolutionStore) -> None:
    own = next(iter(store.get_category_files("model-0").values()))
    again = store.path / "reprocessed" / "2" / "model-0" / own.name
    again.parent.mkdir(parents=True)
    again.write_bytes(own.read_bytes())
    assert (await export(store, "jsonl")).startswith("120 rows: ")


async def test_the_evaluators_line_names_real_folders(store: SolutionStore, tmp_path: Path) -> None:
    said = await export(store, "runcodeeval")
    benchmark, solutions = said.split("--benchmark ")[1].split(" --solutions ")
    assert Path(benchmark) == store.path / "runcodeeval" / "benchmark"
    problems = {problem.task_id: problem for problem in load_problems(tmp_path / "dataset")}
    rows = [row for path in Path(benchmark).glob("*.jsonl") for row in lines(path)]
    assert {row["task_id"]: row["topic"] for row in rows} == {
        task_id: problem.category for task_id, problem in problems.items()
    }
    for row in rows:  # what its validation demands
        assert row["object"] in ("function", "class") and row["complexity"] in (1, 2, 3)
        assert row["canonical_solution"] and row["tests"] and row["name"] and row["problem"]
    assert Path(solutions.strip()) == store.path / "runcodeeval" / "model-0"


async def test_what_is_not_finished_is_said_to_be(tmp_path: Path) -> None:
    running = create_session(tmp_path, "s", metadata())
    running.append(solution())
    assert "The session is not finished" in await export(running, "csv")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
async def test_an_error_of_an_export_speaks_of_no_resume(
    store: SolutionStore, tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "nowhere" / f"x.{kind}"
    finished = await run(
        *("export_session.py", str(store.path), "--format", kind, "--out", str(target))
    )
    assert finished.exit_code == 1
    reason = "cannot be written: No such file or directory."
    advice = "A folder on the way is missing: make it, or put it back."
    assert finished.stderr == f"error: {target}: {reason} {advice}\n"


@pytest.mark.slow
async def test_the_line_that_a_run_ends_with_makes_one_table_of_it(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 2})
    async with ProviderServer() as server:
        finished = await run(
            "run_collection.py",
            *("--models", "grok-4.3", "--dataset-path", str(dataset)),
            *("--output-dir", str(tmp_path / "my sessions")),
            environment=pointed_at(server, "xai"),
        )
    line = next(line for line in finished.stdout.splitlines() if "export_session.py" in line)
    _, script, *arguments = shlex.split(line)
    exported = await run(script.removeprefix("scripts/"), *arguments)
    assert exported.exit_code == 0 and exported.stdout.startswith("2 rows: "), exported.output
