"""Sessions with answers to judge, and the command that judges them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from evaluation.evaluation_log import EvaluationRecord
from prompts.problems import Problem, load_problems
from storage.session.manifest import SessionMetadata
from storage.sessions import create_session
from storage.solution_store import SolutionStore
from tests.support.store_records import START, solution

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "evaluate_session.py"
POWERS = 5


def write_problems(folder: Path, count: int = POWERS) -> list[Problem]:
    """Return problems `power_<n>`: f(x) == x ** n."""
    folder.mkdir(exist_ok=True)
    rows = [
        {
            "task_id": f"power_{n}",
            "name": "f",
            "problem": f"Write `func(x)`, the power {n} of x.",
            "canonical_solution": f"def f(x): return x ** {n}\n",
            "tests": json.dumps(
                [{"ctx": "", "assertion": f"func({x}) == {x**n}"} for x in (2, 3, -1)]
            ),
            "category": "even" if n % 2 == 0 else "odd",
        }
        for n in range(1, count + 1)
    ]
    (folder / "powers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_problems(folder)


def session(
    output: Path, answers: Sequence[tuple[str, str, str]], *, session_id: str = "s"
) -> SolutionStore:
    """Return a session over the problems of output/problems; answers: (model, task_id, code)."""
    problems = {problem.task_id: problem for problem in write_problems(output / "problems")}
    asked = SessionMetadata(
        collection_start=START,
        total_problems=len(problems),
        models=sorted({model for model, _, _ in answers}),
        categories=["even", "odd"],
        session_parameters={"dataset_path": str(output / "problems"), "output_dir": str(output)},
        dataset={task_id: problem.content_hash for task_id, problem in problems.items()},
    )
    store = create_session(output, session_id, asked)
    for model, task_id, code in answers:
        store.append(solution(task_id, model, problems[task_id].category, code=code))
    store.finish()
    return store


def right(n: int) -> str:
    return f"def f(x): return x ** {n}\n"


def command(*arguments: str, without: str = "") -> list[str]:
    """Return the command line; without: system calls that are not there."""
    line = [sys.executable, str(SCRIPT), *arguments]
    if without:
        return [sys.executable, "-m", "tests.evaluation.without", without, *line]
    return line


def evaluate(
    *arguments: str, without: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Return the finished command."""
    return subprocess.run(
        command(*arguments, without=without),
        capture_output=True,
        text=True,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **variables},
        check=False,
    )


def records(store_path: Path) -> list[EvaluationRecord]:
    """Return all lines of judgements, in the order of files and lines."""
    return [
        msgspec.json.decode(line, type=EvaluationRecord)
        for path in sorted((store_path / "evaluation").glob("*/*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
