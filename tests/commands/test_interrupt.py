"""Ctrl-C and SIGTERM in real processes: the calls in flight, the files, the exit code."""

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path
from signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, Signals, getsignal

import pytest

from tests.support.command import ROOT, Finished, bare_environment, run
from tests.support.datasets import write_dataset
from tests.support.program import MODELS, PATIENT, Collection, Program, possibly_billed
from tests.support.session_check import check_agreement, read_object
from tests.support.watched_server import WatchedServer

PROBLEMS, AT_ONCE = 20, 2
IN_FLIGHT = AT_ONCE * len(MODELS)
FLAGS = ("--max-concurrent", str(AT_ONCE))


def collection_of(server: WatchedServer, tmp_path: Path, *flags: str) -> Collection:
    dataset = write_dataset(tmp_path / "data", {"sums": PROBLEMS})
    return Collection(server, dataset, tmp_path / "out", *FLAGS, *flags)


async def run_until_all_slots_wait(server: WatchedServer, collection: Collection) -> Program:
    """Return a run that has some answers, and as many calls out as it may."""
    program = await collection.start(wrapper=PATIENT)
    await server.has_given(10)
    server.open.clear()
    await server.holds(IN_FLIGHT)
    return program


def resume_arguments(finished: Finished) -> list[str]:
    found = re.search(
        r"^ *\S*python \S*scripts/(resume_collection\.py .*)$", finished.stdout, re.MULTILINE
    )
    assert found, finished.output
    return shlex.split(found[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "signal",
    [SIGINT, *(pytest.param(other, marks=pytest.mark.slow) for other in (SIGTERM, SIGHUP))],
)
async def test_the_first_signal_waits_for_calls_in_flight(tmp_path: Path, signal: Signals) -> None:
    if signal is SIGHUP and getsignal(SIGHUP) is SIG_IGN:
        pytest.skip("SIGHUP is ignored here, as under nohup, and the collector obeys that")
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path)
        program = await run_until_all_slots_wait(server, collection)
        program.send(signal)
        await program.says("Interrupted: waiting up to 30 s for calls in flight")
        arrived = server.arrived
        server.open.set()
        finished = await program.finished()
        assert finished.exit_code == 130, finished.output
        assert server.arrived == arrived
        answers = check_agreement(collection.session)
        assert len(answers) == server.given_in_all == arrived
        assert read_object(collection.session / "progress.json")["status"] == "in_progress"

        script, *arguments = resume_arguments(finished)
        again = await Program.start(script, *arguments, environment=collection.environment)
        resumed = await again.finished()
    assert resumed.exit_code == 0, resumed.output
    assert possibly_billed(resumed) == 0
    assert len(check_agreement(collection.session)) == PROBLEMS * len(MODELS)
    assert set(server.given.values()) == {1}


@pytest.mark.slow
async def test_a_second_signal_waits_for_nothing(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path)
        program = await run_until_all_slots_wait(server, collection)
        kept = server.given_in_all
        program.send(SIGINT)
        await program.says("Ctrl-C again stops now")
        program.send(SIGINT)
        finished = await program.finished()
        assert finished.exit_code == 130, finished.output
        assert f"{IN_FLIGHT} calls were abandoned: possibly billed" in finished.stdout
        assert len(check_agreement(collection.session)) == kept
        server.open.set()
        resumed = await (await collection.resume()).finished()
    assert resumed.exit_code == 0, resumed.output
    assert len(check_agreement(collection.session)) == PROBLEMS * len(MODELS)
    assert sum(count - 1 for count in server.given.values()) <= IN_FLIGHT


@pytest.mark.slow
async def test_calls_that_cost_nothing_are_never_said_to_be_billed(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": PROBLEMS})
    flags = ("--output-dir", str(tmp_path / "out"))
    async with WatchedServer() as server:
        server.open.clear()
        environment = {"LOCAL_BASE_URL": server.url("local")}
        program = await Program.start(
            "run_collection.py",
            *("--models", "local:m", "--dataset-path", str(dataset), "--session-id", "s"),
            *flags,
            environment=environment,
            wrapper=PATIENT,
        )
        await server.holds(3)
        program.send(SIGINT)
        await program.says("Ctrl-C again stops now")
        program.send(SIGINT)
        stopped = await program.finished()
        assert "3 calls were abandoned: a resume asks for them again" in stopped.stdout
        program = await Program.start("resume_collection.py", "s", *flags, environment=environment)
        await server.holds(6)  # it does not know that three have gone
        await program.killed()
        shown = await run("resume_collection.py", "s", "--status", *flags)
        assert re.search(r"It was killed: up to \d calls were in flight. To continue", shown.stdout)
        server.open.set()
        program = await Program.start("resume_collection.py", "s", *flags, environment=environment)
        resumed = await program.finished()
    assert re.search(
        r"Up to \d calls were in flight when the last run was killed: ", resumed.stdout
    )
    assert "billed" not in stopped.output + shown.output + resumed.output


@pytest.mark.slow
async def test_the_grace_time_ends(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path, "--grace", "0.2")
        program = await run_until_all_slots_wait(server, collection)
        kept = server.given_in_all
        program.send(SIGTERM)
        finished = await program.finished()
        assert finished.exit_code == 130, finished.output
        assert "waiting up to 0.2 s" in finished.stdout
        assert f"{IN_FLIGHT} calls were abandoned" in finished.stdout
        assert len(check_agreement(collection.session)) == kept
        server.open.set()


@pytest.mark.slow
async def test_a_call_that_fails_in_the_grace_time_is_not_sent_again(tmp_path: Path) -> None:
    # No refused rates: they would keep some of the slots from sending.
    async with WatchedServer(fault_rate=0.5, forgiven=1.0) as server:
        collection = collection_of(server, tmp_path)
        program = await run_until_all_slots_wait(server, collection)
        program.send(SIGINT)
        await program.says("Interrupted")
        arrived = server.arrived
        server.open.set()
        finished = await program.finished()
        assert finished.exit_code == 130, finished.output
        assert server.arrived == arrived
    assert len(check_agreement(collection.session)) == server.given_in_all
    assert not (collection.session / "failures.jsonl").exists()


# Sends the signal from inside, at the moment that a function of the program is entered.
SIGNALS_ITSELF = """
import os, runpy, signal, sys
number, module, function = signal.Signals[sys.argv[1]], sys.argv[2], sys.argv[3]
def watch(frame, event, argument):
    if event == "call" and frame.f_code.co_name == function:
        if frame.f_globals.get("__name__") == module:
            sys.setprofile(None)
            import threading
            threading.setprofile(None)
            os.kill(os.getpid(), number)
sys.argv = sys.argv[4:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
import threading
threading.setprofile(watch)
sys.setprofile(watch)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
MOMENTS = {
    "the dataset is read": ("prompts.problems", "read_dataset"),
    "the session is made": ("storage.sessions", "_describe"),
    "the session is locked": ("storage.session.session_lock", "_hold"),
    "progress is restored": ("storage.progress_tracker", "restore"),
    "the run begins": ("runners.collection_runner", "run"),
    "the first progress is saved": ("storage.progress_tracker", "save"),
}


SIGNALS = ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow)]


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("signal", SIGNALS)
async def test_a_signal_while_it_starts(tmp_path: Path, moment: str, signal: str) -> None:
    module, function = MOMENTS[moment]
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path)
        script, *arguments = collection.first_command
        program = await Program.start(
            script,
            *arguments,
            environment=collection.environment,
            wrapper=SIGNALS_ITSELF,
            wrapped_in=(signal, module, function),
        )
        finished = await program.finished()
        assert finished.exit_code == 130, finished.output
        assert "Traceback" not in finished.output
        assert server.arrived == 0
        if not collection.session.exists():
            assert list(collection.output.glob("*")) == []
            return
        script, *arguments = resume_arguments(finished)
        again = await Program.start(script, *arguments, environment=collection.environment)
        resumed = await again.finished()
    assert resumed.exit_code == 0, resumed.output
    assert len(check_agreement(collection.session)) == PROBLEMS * len(MODELS)


@pytest.mark.slow
@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    ("module", "function"),
    [("storage.views.comparison", "write_comparison"), ("storage.progress_tracker", "finish")],
)
async def test_a_signal_during_the_summaries_spoils_nothing(
    tmp_path: Path, signal: str, module: str, function: str
) -> None:
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path)
        script, *arguments = collection.first_command
        program = await Program.start(
            script,
            *arguments,
            environment=collection.environment,
            wrapper=SIGNALS_ITSELF,
            wrapped_in=(signal, module, function),
        )
        finished = await program.finished()
    assert finished.exit_code == 0, finished.output
    assert len(check_agreement(collection.session)) == PROBLEMS * len(MODELS)
    assert str(ROOT) not in finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize("form", ["lines", "json"])
async def test_whoever_listens_may_be_gone(tmp_path: Path, form: str) -> None:
    """The terminal, or what read the pipes, is closed: the answers are collected all the same."""
    async with WatchedServer(fault_rate=0.2) as server:
        collection = collection_of(server, tmp_path)
        script, *arguments = collection.first_command
        reading, writing = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "scripts" / script), *arguments, "--progress", form),
            env={**bare_environment(), **collection.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
        )
        os.close(writing)
        await server.has_got(1)
        os.close(reading)
        await process.wait()
    assert len(check_agreement(collection.session)) == PROBLEMS * len(MODELS)
