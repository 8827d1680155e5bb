"""Sessions of several machines joined in one: nothing lost, doubled or asked again."""

import asyncio
import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from config.collection_settings import CollectionSettings
from scripts import merge_sessions
from storage.records.batch_ledger import BatchLedger
from storage.records.batch_steps import Dropped, Planned
from storage.session.rate_limits_file import write_rate_limits
from storage.session.session_lock import SessionLock
from storage.session.spending_file import Spending, write_spending
from tests.support.command import ROOT, Finished, bare_environment, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.program import PROVIDERS
from tests.support.session_check import check_agreement, lines_of, read_object
from tests.support.sessions import write_session
from tests.support.slow import few
from tests.support.watched_server import WatchedServer

MODELS = ("grok-4.3", "deepseek-flash-chat")


async def collect(
    tmp_path: Path,
    server: WatchedServer,
    session: str,
    *flags: str,
    models: tuple[str, ...] = MODELS,
) -> None:
    dataset = write_dataset(tmp_path / "data", {"a": 4, "b": 3})
    finished = await run(
        "run_collection.py",
        *("--models", *models, "--dataset-path", str(dataset), "--session-id", session),
        *("--output-dir", str(tmp_path / "out"), "--extraction", "regex", *flags),
        environment=pointed_at(server, *PROVIDERS),
    )
    assert finished.exit_code == 0, finished.output


async def merge(tmp_path: Path, *parts: str, into: str = "c") -> Finished:
    output = ("--output-dir", str(tmp_path / "out"))
    return await run("merge_sessions.py", *parts, "--into", into, *output)


async def resume(tmp_path: Path, server: WatchedServer, *flags: str) -> Finished:
    return await run(
        *("resume_collection.py", "c", "--output-dir", str(tmp_path / "out"), *flags),
        environment=pointed_at(server, *PROVIDERS),
    )


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def change(path: Path, **fields: Any) -> None:
    """Change the session's parameters in its manifest."""
    manifest = read_object(path / "manifest.json")
    manifest["metadata"]["session_parameters"].update(fields)
    (path / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.slow
async def test_merged_shards_are_the_whole_session(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        await collect(tmp_path, server, "whole")
        for number in (1, 2):
            await collect(tmp_path, server, f"s{number}", "--shard", f"{number}/2")
        before = contents(tmp_path / "out" / "s1")
        finished = await merge(tmp_path, "s1", str(tmp_path / "out" / "s2"))
        calls = len(server.requests)
        resumed = await resume(tmp_path, server)
        assert len(server.requests) == calls
    assert finished.exit_code == 0, finished.output
    assert "14 of 14 answers, completed" in " ".join(finished.stdout.split())
    assert "is finished" in resumed.stdout
    merged, whole = tmp_path / "out" / "c", tmp_path / "out" / "whole"
    assert check_agreement(merged).keys() == check_agreement(whole).keys()
    one, other = (read_object(path / "summary.json") for path in (merged, whole))
    for each in (one, other):
        for model in each["model_summaries"].values():
            model["overall_performance"].pop("avg_execution_time")
    assert one["model_summaries"] == other["model_summaries"]
    assert one["spending"] == other["spending"]
    assert one["spending"]["answers_usd"] > 0
    assert one["collection_metadata"]["total_problems"] == 7
    assert "shard" not in one["collection_metadata"]
    assert {"progress.json", "final_report.json", "report.html"} <= contents(merged).keys()
    assert contents(whole).keys() == contents(merged).keys()
    assert contents(tmp_path / "out" / "s1") == before
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.slow
async def test_a_resume_of_the_merged_session_asks_for_what_no_part_had(tmp_path: Path) -> None:
    grok, deepseek = MODELS
    async with WatchedServer() as server:
        await collect(tmp_path, server, "s1", "--shard", "1/2", models=(grok,))
        await collect(tmp_path, server, "s2", "--shard", "2/2", models=(grok, deepseek))
        finished = await merge(tmp_path, "s1", "s2", into=str(tmp_path / "far" / "off" / "c"))
        assert finished.exit_code == 0, finished.output
        assert "To ask for what is missing" in finished.stdout
        shutil.move(tmp_path / "far" / "off" / "c", tmp_path / "out" / "c")
        resumed = await resume(tmp_path, server)
    assert resumed.exit_code == 0, resumed.output
    assert "possibly billed" not in resumed.output
    assert len(check_agreement(tmp_path / "out" / "c")) == 14
    assert set(server.given.values()) == {1}


@pytest.mark.slow
async def test_of_two_answers_the_earlier_counts_with_its_verdict(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        for session in ("s1", "s2"):
            await collect(tmp_path, server, session, models=MODELS[:1])
            place = ("--output-dir", str(tmp_path / "out"))
            judged = await run("evaluate_session.py", session, "--no-decoys", *place)
            assert judged.exit_code in (0, 1), judged.output
        finished = await merge(tmp_path, "s2", "s1")
    assert finished.exit_code == 0, finished.output
    out = tmp_path / "out"
    name = f"{MODELS[0]}/a.jsonl"
    earlier, later = lines_of(out / "s1" / name), lines_of(out / "s2" / name)
    assert lines_of(out / "c" / name) == earlier
    aside = lines_of(out / "c" / "kept_aside.jsonl")
    assert [record for record in aside if record["category"] == "a"] == later
    verdicts = out / "c" / "evaluation" / name
    assert verdicts.read_bytes() == (out / "s1" / "evaluation" / name).read_bytes()
    scores = [read_object(out / each / "evaluation" / "summary.json") for each in ("c", "s1")]
    assert scores[0] == scores[1]
    spent = [
        read_object(out / each / "spending.json")["committed_usd"] for each in ("c", "s1", "s2")
    ]
    assert spent[0] == pytest.approx(spent[1] + spent[2])


@pytest.mark.slow
async def test_what_a_copied_session_shares_counts_once(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        await collect(tmp_path, server, "s1", models=MODELS[:1])
    out = tmp_path / "out"
    shutil.copytree(out / "s1", out / "s2")
    assert (await merge(tmp_path, "s1", "s2")).exit_code == 0
    assert not (out / "c" / "kept_aside.jsonl").exists()
    spent = [read_object(out / each / "spending.json")["committed_usd"] for each in ("c", "s1")]
    assert spent[0] == pytest.approx(spent[1])


def written(tmp_path: Path, *sessions: str) -> list[Path]:
    """Return so many like sessions with a mixture of outcomes."""
    made = write_session(tmp_path / "made", models=2, categories=2, per_category=4)
    settings = CollectionSettings(
        models=("one", "two"), api_ids=("one-1", "two-1"), output_dir=tmp_path
    )
    change(made.path, **settings.to_parameters())
    write_spending(made.path, Spending(committed_usd=1.0))
    paths = [tmp_path / "out" / session for session in sessions]
    for path in paths:
        shutil.copytree(made.path, path)
    return paths


def merged_here(tmp_path: Path, *parts: str, capsys: pytest.CaptureFixture[str]) -> Finished:
    """Merge in this process."""
    arguments = [*parts, "--into", "c", "--output-dir", str(tmp_path / "out")]
    capsys.readouterr()
    code = merge_sessions.main(arguments)
    printed = capsys.readouterr()
    return Finished(code, printed.out, printed.err)


OTHER_PROMPT = {"name": "mine", "user": "{problem}", "system": ""}
REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "temperature": ({"temperature": 0.8}, "s1 and s2 differ in temperature: None and 0.8"),
    "max tokens": ({"max_tokens": 99}, "s1 and s2 differ in max tokens: None and 99"),
    "samples": ({"samples": 2}, "s1 and s2 differ in samples: 1 and 2"),
    "prompt": ({"prompt": OTHER_PROMPT}, "s1 and s2 differ in prompt: "),
    "API id": ({"api_ids": ["one-1", "two-2"]}, "asked model-1 as two-2, another session as two-1"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_sessions_that_asked_otherwise_are_refused(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields, words = REFUSED[kind]
    change(written(tmp_path, "s1", "s2")[1], **fields)
    is_refused(tmp_path, capsys, words)


def is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, exit_code: int = 2
) -> None:
    """Check that the merge of s1 and s2 ends in one line with these words, and leaves nothing."""
    before = contents(tmp_path / "out")
    finished = merged_here(tmp_path, "s1", "s2", capsys=capsys)
    assert finished.exit_code == exit_code, finished.output
    (line,) = finished.stderr.splitlines()
    assert words in line
    assert contents(tmp_path / "out") == before


def test_other_problems_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, second = written(tmp_path, "s1", "s2")
    manifest = read_object(second / "manifest.json")
    manifest["metadata"]["dataset"]["category_00_3"] = "0123456789abcdef"
    (second / "manifest.json").write_text(json.dumps(manifest))
    is_refused(tmp_path, capsys, "s1 and s2 asked different problems: category_00_3")


def test_a_running_session_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = written(tmp_path, "s1", "s2")
    (second / "evaluation").mkdir()
    for folder in (first, second / "evaluation"):
        with SessionLock(folder):
            is_refused(tmp_path, capsys, "is being run: wait for its end, then merge", 1)


PLANNED = Planned(
    token="abcd2345",
    at=1e9,
    model="model-1",
    provider="xai",
    base_url="http://127.0.0.1:9",
    key_digest="00",
    tasks=[("category_00_1", 1, "00")],
    size=1,
    sha256="00",
    worst_usd=0.5,
)


def test_open_batches_are_to_be_landed_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, second = written(tmp_path, "s1", "s2")
    BatchLedger(second).append(PLANNED)
    is_refused(tmp_path, capsys, "s2: has 1 open batch: resume it first, then merge")


def test_settled_batches_and_learned_limits_come_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = written(tmp_path, "s1", "s2")
    for part in (first, second):  # one is a copy of the other: the batch was made once
        BatchLedger(part).append(PLANNED)
        BatchLedger(part).append(Dropped(token=PLANNED.token, at=1e9, why="refused"))
        (part / "batches").mkdir()
        (part / "batches" / "abcd2345.requests.ndjson").write_bytes(b"{}\n")
    for part, keys in ((first, {"x": 1.0, "y": 5.0}), (second, {"x": 2.0})):
        learned = {key: {"learned_at": at} for key, at in keys.items()}
        write_rate_limits(part, {"version": 1, "keys": learned})
    assert merged_here(tmp_path, "s1", "s2", capsys=capsys).exit_code == 0
    merged = tmp_path / "out" / "c"
    for name in ("batches.jsonl", "batches/abcd2345.requests.ndjson"):
        assert (merged / name).read_bytes() == (first / name).read_bytes()
    keys = read_object(merged / "rate_limits.json")["keys"]
    assert keys == {"x": {"learned_at": 2.0}, "y": {"learned_at": 5.0}}


def test_a_taken_place_and_a_session_named_twice_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "s1", "s2", "c")
    is_refused(tmp_path, capsys, "is there already: name a new folder")
    shutil.rmtree(tmp_path / "out" / "s2")
    (tmp_path / "out" / "s2").symlink_to(tmp_path / "out" / "s1")
    shutil.rmtree(tmp_path / "out" / "c")
    is_refused(tmp_path, capsys, "a session is named twice")


def test_replies_that_wait_and_damage_of_killed_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """s1 lost its last answer in a torn line, and has one reply yet to be read."""
    (first,) = written(tmp_path, "s1")
    path = sorted(first.glob("model-*/*.jsonl"))[0]
    *kept, waiting, torn = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(kept) + torn[:-20])
    (first / "pending_extraction.jsonl").write_bytes(waiting)
    finished = merged_here(tmp_path, "s1", capsys=capsys)
    assert finished.exit_code == 0, finished.output
    assert "1 lines cannot be read and stay there" in " ".join(finished.stdout.split())
    merged = tmp_path / "out" / "c"
    assert (merged / "pending_extraction.jsonl").read_bytes() == waiting
    assert (merged / path.relative_to(first)).read_bytes() == b"".join(kept)


def test_costs_and_failures_of_other_models_add_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for session, seed in (("one", 3), ("two", 4)):
        labels = [f"{session}-a", f"{session}-b"]
        made = write_session(
            tmp_path / session, models=2, categories=2, per_category=40, seed=seed, labels=labels
        )
        settings = CollectionSettings(
            models=tuple(labels), api_ids=("x", "y"), max_cost_usd=2.0, output_dir=tmp_path
        )
        change(made.path, **settings.to_parameters())
        write_spending(made.path, Spending(committed_usd=1.0, held_usd={session: 0.25}))
    parts = [tmp_path / session / "out" / "session_1" for session in ("one", "two")]
    finished = merged_here(tmp_path, *map(str, parts), capsys=capsys)
    assert finished.exit_code == 0, finished.output
    merged = tmp_path / "out" / "c"
    failed = [len(lines_of(part / "failures.jsonl")) for part in parts]
    assert min(failed) > 0
    assert len(lines_of(merged / "failures.jsonl")) == sum(failed)
    answers = sum(len(lines_of(path)) for path in merged.glob("*-*/*.jsonl"))
    assert answers + sum(failed) == 4 * 80
    spending = read_object(merged / "spending.json")
    assert spending == {"committed_usd": 2.0, "held_usd": {"one": 0.25, "two": 0.25}}
    manifest = read_object(merged / "manifest.json")["metadata"]
    assert manifest["models"] == ["one-a", "one-b", "two-a", "two-b"]
    assert manifest["session_parameters"]["max_cost_usd"] == 4.0
    assert read_object(merged / "progress.json")["current_progress"]["failed_tasks"] == sum(failed)


# Runs a merge that kills itself (-9) before its N-th step on the disk.
STEPS = 55  # of a whole merge
KILLING = """
import itertools, os, pathlib, runpy, signal, sys
sys.path.insert(0, sys.argv[2].rpartition("/scripts/")[0])
from storage.files import durability, line_log
at, count = int(sys.argv[1]), itertools.count(1)
def killing(step):
    def taken(*arguments, **named):
        if next(count) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **named)
    return taken
line_log.append_line = killing(line_log.append_line)
pathlib.Path.rename = killing(pathlib.Path.rename)
pathlib.Path.replace = killing(pathlib.Path.replace)
durability.flush_descriptor = killing(durability.flush_descriptor)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


async def killed_merge(tmp_path: Path, at: int) -> int:
    """Return the exit code of a merge of s1 and s2 that dies at a step, if it comes so far."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLING, str(at), str(ROOT / "scripts" / "merge_sessions.py")),
        *("s1", "s2", "--into", "c", "--output-dir", str(tmp_path / "out")),
        env=bare_environment(),
        stdout=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


# The last steps are the files that are derived, their way to the disk, and the folder's new name.
@pytest.mark.parametrize("step", few([30, 1, 3, 20, *range(STEPS - 12, STEPS + 2)], 1))
async def test_a_kill_leaves_a_whole_session_or_none(
    step: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = written(tmp_path, "s1", "s2")
    before = contents(first), contents(second)
    code, merged = await killed_merge(tmp_path, step), tmp_path / "out" / "c"
    assert code == (-signal.SIGKILL if step < STEPS - 6 else code)
    assert (contents(first), contents(second)) == before
    if not merged.exists():
        assert code == -signal.SIGKILL
        assert merged_here(tmp_path, "s1", "s2", capsys=capsys).exit_code == 0
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["c", "s1", "s2"]
    answers = [lines_of(path) for path in sorted(first.glob("model-*/*.jsonl"))]
    assert [lines_of(path) for path in sorted(merged.glob("model-*/*.jsonl"))] == answers
    assert {"manifest.json", "spending.json", "progress.json"} <= contents(merged).keys()
