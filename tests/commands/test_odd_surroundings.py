"""Closed or full outputs, users that are not there, paths and bytes that nothing can hold."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.command import ROOT, Finished, bare_environment, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_server import ProviderServer
from tests.support.session_check import answers_in
from tests.support.slow import few

KEY = {"OPENAI_API_KEY": "sk-test-0123456789"}
LONG = "x" * 5_000
LONG_PATH = "/tmp/" + "long/" * 1_000


def in_shell(line: str, environment: Mapping[str, str], *arguments: str) -> Finished:
    """Return how a line of shell ended; $PY is Python, $@ the arguments."""
    done = subprocess.run(
        ["sh", "-c", line.replace("$PY", sys.executable), "sh", *arguments],
        cwd=ROOT,
        env={**bare_environment(), **environment},
        capture_output=True,
        timeout=60,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def one_line(finished: Finished, code: int) -> str:
    assert finished.exit_code == code, finished.output
    assert "Traceback" not in finished.output
    (line,) = finished.stderr.splitlines()
    assert len(line) < 1_000
    return line.removeprefix("error: ")


@pytest.mark.slow
@pytest.mark.parametrize("closed", few(["2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"], 1))
async def test_a_run_without_one_of_its_streams_keeps_every_answer(
    tmp_path: Path, closed: str
) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 3})
    out = tmp_path / "out"
    async with ProviderServer() as server:
        finished = await asyncio.to_thread(
            in_shell,
            f'$PY scripts/run_collection.py "$@" {closed}',
            pointed_at(server, "xai"),
            *("--models", "grok-4.3", "--dataset-path", str(dataset)),
            *("--output-dir", str(out), "--session-id", "s"),
        )
    assert finished.exit_code == 0, finished.output
    assert len(answers_in(out / "s")) == 3
    for path in (out / "s").rglob("*.json*"):
        assert b"INFO" not in path.read_bytes()  # nothing else was written into a session's file


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "command",
    few(
        [
            "run_collection.py --list-models",
            "resume_collection.py --list-sessions",
            "run_collection.py --dry-run --models gpt-4o",
            "report.py --help",
        ],
        2,
    ),
)
def test_an_output_that_is_full_is_said_in_one_line(command: str) -> None:
    for unbuffered in ("", "1"):
        if unbuffered and "--help" in command:
            continue  # argparse itself takes no notice
        variables = {**KEY, "PYTHONUNBUFFERED": unbuffered}
        line = one_line(in_shell(f"$PY scripts/{command} > /dev/full", variables), 1)
        assert line == "standard output cannot be written: No space left on device"
    both = in_shell(f"$PY scripts/{command} > /dev/full 2>&1", {**KEY, "PYTHONUNBUFFERED": ""})
    assert both.exit_code == 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_run_into_a_full_output_keeps_every_answer(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 3})
    async with ProviderServer() as server:
        finished = await asyncio.to_thread(
            in_shell,
            '$PY scripts/run_collection.py "$@" > /dev/full',
            pointed_at(server, "xai"),
            *("--models", "grok-4.3", "--dataset-path", str(dataset)),
            *("--output-dir", str(tmp_path / "out"), "--session-id", "s"),
        )
    assert "Traceback" not in finished.output
    assert finished.stderr.splitlines()[-1] == (
        "error: standard output cannot be written: No space left on device"
    )
    assert finished.exit_code == 1
    assert len(answers_in(tmp_path / "out" / "s")) == 3


NO_SUCH_USER = [
    ("run_collection.py", "--models", "gpt-4o", "--dry-run", "--dataset-path", "~nosuchuser/x"),
    ("run_collection.py", "--models", "gpt-4o", "--dry-run", "--output-dir", "~nosuchuser/x"),
    ("run_collection.py", "--list-models", "--log-file", "~nosuchuser/x"),
    ("run_collection.py", "--models", "gpt-4o", "--dry-run", "--log-file", "~nosuchuser/x"),
    ("resume_collection.py", "--list-sessions", "--output-dir", "~nosuchuser/x"),
    ("resume_collection.py", "~nosuchuser/x", "--status"),
    ("report.py", "~nosuchuser/x"),
    ("fetch_dataset.py", "codeeval", "--dataset-path", "~nosuchuser/x"),
]


@pytest.mark.parametrize("command", few(NO_SUCH_USER, 1))
async def test_the_home_of_a_user_who_is_not_there(command: tuple[str, ...]) -> None:
    finished = await run(*command, environment=KEY)
    if "--list-models" in command:
        assert finished.exit_code == 0  # it writes no log
        return
    assert "~nosuchuser" in one_line(finished, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DATASET_PATH", "OUTPUT_DIR", "LOCAL_GGUF_PATH"])
@pytest.mark.parametrize("kind", ["home", "name", "path"])
async def test_odd_paths_in_variables(name: str, kind: str) -> None:
    value = {"home": "~nosuchuser/x", "name": LONG, "path": LONG_PATH}[kind]
    finished = await run(
        "run_collection.py",
        *("--dry-run", "--models", "local_gguf" if "GGUF" in name else "gpt-4o"),
        environment={**KEY, name: value},
    )
    one_line(finished, 1 if name == "OUTPUT_DIR" and kind != "home" else 2)


LONG_NAMES = [
    (2, ("run_collection.py", "--models", "gpt-4o", "--dry-run", "--dataset-path", "<name>")),
    (2, ("run_collection.py", "--models", "gpt-4o", "--dry-run", "--dataset-path", "<path>")),
    (1, ("run_collection.py", "--models", "gpt-4o", "--dry-run", "--output-dir", "<name>")),
    (1, ("run_collection.py", "--models", "gpt-4o", "--dry-run", "--output-dir", "<path>")),
    (2, ("run_collection.py", "--models", "gpt-4o", "--dry-run", "--log-file", "<name>")),
    (2, ("run_collection.py", "--models", "<name>", "--dry-run")),
    (2, ("run_collection.py", "--models", "gpt-4o", "--categories", "<name>", "--dry-run")),
    (2, ("resume_collection.py", "<name>", "--status")),
    (2, ("resume_collection.py", "<path>", "--status")),
    (1, ("resume_collection.py", "--list-sessions", "--output-dir", "<path>")),
    (2, ("export_session.py", "<name>", "--format", "csv")),
    (
        1,
        (
            "fetch_dataset.py",
            "codeeval",
            "--dataset-path",
            "<name>",
            "--url",
            "http://127.0.0.1:1/x",
        ),
    ),
    (2, ("fetch_dataset.py", "codeeval", "--url", "ftp://<name>")),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", few(LONG_NAMES, 1))
async def test_names_of_five_thousand_characters(case: tuple[int, tuple[str, ...]]) -> None:
    code, command = case
    long = [part.replace("<name>", LONG).replace("<path>", LONG_PATH) for part in command]
    one_line(await run(long[0], *long[1:], environment=KEY), code)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such arguments")
@pytest.mark.parametrize(
    "command",
    few(
        [
            ("run_collection.py", "--models", "\udcff"),
            ("run_collection.py", "--models", "gpt-4o", "--session-id", "\udcff", "--dry-run"),
            ("run_collection.py", "--models", "gpt-4o", "--dataset-path", "\udcff"),
            ("run_collection.py", "--models", "gpt-4o", "--log-file", "\udcff"),
            ("resume_collection.py", "\udcff"),
            ("compare_sessions.py", "a", "b", "--out", "\udcff"),
            ("fetch_dataset.py", "codeeval", "--url", "http://\udcff"),
        ],
        1,
    ),
)
async def test_arguments_that_are_no_utf8(command: tuple[str, ...]) -> None:
    finished = await run(*command, environment=KEY)
    assert finished.exit_code == 2 and "Traceback" not in finished.output
    last = finished.stderr.splitlines()[-1]
    assert last.endswith(r"error: '\udcff' is not UTF-8") or "is not UTF-8" in last


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such variables")
@pytest.mark.parametrize("name", ["OUTPUT_DIR", "DATASET_PATH", "OPENAI_BASE_URL", "BATCH_SIZE"])
async def test_variables_that_are_no_utf8(name: str) -> None:
    environment = {**KEY, name: os.fsdecode(b"\xff")}
    finished = await run(
        "run_collection.py", "--models", "gpt-4o", "--dry-run", environment=environment
    )
    assert name in one_line(finished, 2)


@pytest.mark.parametrize("digits", few([5_000, 400, 30], 1))
@pytest.mark.parametrize("name", few(["BATCH_SIZE", "MAX_CONCURRENT_PER_MODEL"], 1))
async def test_numbers_of_many_digits_in_variables(name: str, digits: int) -> None:
    finished = await run(
        "run_collection.py",
        "--models",
        "gpt-4o",
        "--dry-run",
        environment={**KEY, name: "9" * digits},
    )
    assert name in one_line(finished, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "flag",
    [
        "--batch-size",
        "--max-concurrent",
        "--max-tokens",
        "--max-attempts",
        "--grace",
        "--task-timeout",
        "--request-timeout",
        "--max-cost",
    ],
)
@pytest.mark.parametrize("digits", [5_000, 400, 30])
async def test_flags_of_many_digits(flag: str, digits: int) -> None:
    command = ("--models", "gpt-4o", "--dry-run", flag, "9" * digits)
    finished = await run("run_collection.py", *command, environment=KEY)
    assert "Traceback" not in finished.output
    assert finished.exit_code == 2, finished.output
    assert len(finished.stderr.splitlines()[-1]) < 500


ADDRESSES = ["http://[::1", "http://[", "http://localhost:99999999", "http://a:b"]


@pytest.mark.slow
@pytest.mark.parametrize("address", few(ADDRESSES, 1))
async def test_addresses_that_are_none(address: str) -> None:
    variables = {"LOCAL_BASE_URL": address, "OPENAI_BASE_URL": address, **KEY}
    listed = await run("run_collection.py", "--list-models", "local", environment=variables)
    assert listed.exit_code == 0 and "Traceback" not in listed.output
    for model in ("local:x", "gpt-4o"):
        for flag in ("--dry-run", "--check-models"):
            finished = await run(
                "run_collection.py", "--models", model, flag, environment=variables
            )
            assert "Traceback" not in finished.output
            assert address in finished.output and finished.exit_code in (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("address", few(ADDRESSES, 1))
async def test_urls_of_data_sets_that_are_none(tmp_path: Path, address: str) -> None:
    for url in (address, address.replace("http:", "https:")):
        finished = await run(
            "fetch_dataset.py", "codeeval", "--dataset-path", str(tmp_path / "x"), "--url", url
        )
        one_line(finished, 2)
