"""--evaluate: answers are judged beside the run, by a process that neither slows nor stops it."""

import json
import sys
from collections import Counter
from pathlib import Path
from signal import SIGINT

import pytest

from tests.evaluation.layers import best_layer
from tests.evaluation.sessions import records
from tests.support.command import Finished
from tests.support.datasets import write_dataset
from tests.support.program import MODELS, Collection, Program
from tests.support.provider_formats import FORMATS
from tests.support.provider_server import Answer, ProviderServer
from tests.support.tables import cells
from tests.support.watched_server import WatchedServer

PROBLEMS = 4
GROK, _, LLAMA = MODELS
ENDLESS = "def solve_{n}(value):\n    while True: pass  # {n}\n"
NOTHING_HOLDS = "mount,unshare,clone,444"
_WITHOUT = """
import os, sys
line = [sys.executable, "-m", "tests.evaluation.without", sys.argv[1], sys.executable]
os.execv(sys.executable, line + sys.argv[2:])
"""


def collection(server: ProviderServer, folder: Path, *flags: str) -> Collection:
    dataset = write_dataset(folder / "data", {"sums": PROBLEMS})
    return Collection(server, dataset, folder / "out", *flags)


def code(text: str) -> Answer:
    reply = f"```python\n{text}```"
    return Answer(body=FORMATS["xai"].good(GROK, "/chat/completions", {}, reply))


def verdicts(run: Collection) -> Counter[tuple[str, str, str]]:
    return Counter((each.model, each.task_id, each.verdict) for each in records(run.session))


async def ended(program: Program, code: int = 0) -> Finished:
    finished = await program.finished()
    assert finished.exit_code == code, finished.output
    return finished


@pytest.mark.slow
async def test_the_table_at_the_end_shows_pass_rates(tmp_path: Path) -> None:
    isolation = best_layer()
    async with ProviderServer() as server:
        server.script("xai", code("def solve_1(value):\n    return value + 1\n"))
        run = collection(server, tmp_path, "--evaluate", "--max-concurrent", "1")
        finished = await ended(await run.start())
    assert f"Answers are judged as they arrive, in a sandbox ({isolation})" in finished.stdout
    row = cells(finished.stdout)[GROK]
    assert (row["answered"], row["valid"], row["passed"]) == ("4", "4", "3 of 4")
    assert (row["pass@1"], row["95 % interval"]) == ("75.0 %", "30 to 95 %")
    assert cells(finished.stdout)[LLAMA]["passed"] == "4 of 4"
    summary = json.loads((run.session / "summary.json").read_text())
    assert summary["evaluation"]["models"][GROK]["passed"] == 3
    assert summary["collection_metadata"]["session_parameters"]["evaluate"] == "yes"
    compared = json.loads((run.session / "cross_model_comparison.json").read_text())
    assert [each[f"{GROK}_passed"] for each in compared["problems"]] == [False, True, True, True]
    status = await ended(await run.resume("--status"))
    row = cells(status.stdout)[GROK]
    assert (row["undone"], row["passed"], row["not judged"]) == ("0", "3 of 4", "0")
    again = await ended(await run.resume())
    assert "Nothing was sent" in again.stdout and "pass@1" not in again.stdout


@pytest.mark.slow
async def test_what_a_kill_left_unjudged_a_resume_judges(tmp_path: Path) -> None:
    best_layer()
    async with WatchedServer() as server:
        run = collection(server, tmp_path, "--evaluate", "--max-concurrent", "1")
        program = await run.start()
        await server.has_given(4)
        server.open.clear()
        await server.holds(len(MODELS))
        await program.killed()
        server.open.set()
        finished = await ended(await run.resume())
    assert {row["passed"] for row in cells(finished.stdout).values()} == {"4 of 4"}
    found = verdicts(run)
    assert len(found) == PROBLEMS * len(MODELS) and set(found.values()) == {1}
    assert {verdict for _, _, verdict in found} == {"passed"}


@pytest.mark.slow
async def test_ctrl_c_while_the_last_answers_are_judged(tmp_path: Path) -> None:
    best_layer()
    async with ProviderServer() as server:
        server.script("xai", *[code(ENDLESS.format(n=n)) for n in range(1, PROBLEMS + 1)])
        run = collection(server, tmp_path, "--evaluate", "--max-concurrent", "1")
        program = await run.start("--log-level", "DEBUG")
        await program.says(f"{PROBLEMS * len(MODELS)} answers are there")
        program.send(SIGINT)
        finished = await ended(program, 130)
        assert "what is not judged yet is left to a resume" in finished.stdout
        assert "answers are not judged yet. To judge them:" in finished.stdout
        assert json.loads((run.session / "summary.json").read_text())["status"] == "completed"
        resumed = await ended(await run.resume())
    assert "Nothing was sent" in resumed.stdout
    assert cells(resumed.stdout)[GROK]["passed"] == "0 of 4"
    found = verdicts(run)
    assert len(found) == PROBLEMS * len(MODELS) and set(found.values()) == {1}


async def without_sandbox(run: Collection, *arguments: str) -> Program:
    script, *flags = arguments
    return await Program.start(
        *(script, *flags),
        environment=run.environment,
        wrapper=_WITHOUT,
        wrapped_in=(NOTHING_HOLDS,),
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="takes system calls away")
async def test_without_a_sandbox_it_refuses_or_says_so_in_one_line(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        run = collection(server, tmp_path)
        refused = await ended(await without_sandbox(run, *run.first_command, "--evaluate"), 2)
        assert "no sandbox holds here" in refused.stderr and "Cure: " in refused.stderr
        assert not server.requests and not run.session.exists()
        automatic = await ended(
            await without_sandbox(run, *run.first_command, "--evaluate", "auto")
        )
        (said,) = [line for line in automatic.stdout.splitlines() if "not judged" in line]
        assert said.startswith("WARNING - Answers are not judged: no sandbox holds here")
        assert len(server.requests) == PROBLEMS * len(MODELS)
    assert "pass@1" not in automatic.stdout and not (run.session / "evaluation").exists()


@pytest.mark.slow
async def test_a_session_that_evaluates_goes_on_where_no_sandbox_holds(tmp_path: Path) -> None:
    best_layer()
    async with WatchedServer() as server:
        run = collection(server, tmp_path, "--evaluate", "--max-concurrent", "1")
        program = await run.start()
        await server.has_given(2)
        await program.killed()
        place = ("resume_collection.py", "s", "--output-dir", str(run.output))
        refused = await ended(await without_sandbox(run, *place, "--evaluate"), 2)
        assert "no sandbox holds here" in refused.stderr
        resumed = await ended(await without_sandbox(run, *place))
    assert "Answers are not judged: no sandbox holds here" in resumed.stdout
    assert {row["answered"] for row in cells(resumed.stdout).values()} == {str(PROBLEMS)}
