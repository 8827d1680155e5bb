"""Solutions run against their tests, in the process that this file is started in.

Started as `python -I run_solution.py`: a JSON list of jobs on stdin, on stdout a JSON list with a
list of outcomes for each job, one for each of its tests: null where the test passed, otherwise why
it did not. It has no protection against hostile code.
"""

import contextlib
import json
import sys
from typing import TypedDict

Namespace = dict[str, object]


class ProblemTest(TypedDict):
    """One test: `ctx` is run first, then the expression `assertion` has to be true."""

    ctx: str
    assertion: str


class Job(TypedDict):
    """One solution with its tests.

    share_names: whether ctx and assertion see all the names of the solution, as when both are run
    in one namespace, or nothing but `func` and `cls`, each test for itself.
    """

    name: str
    solution: str
    tests: list[ProblemTest]
    share_names: bool


def run_job(job: Job) -> list[str | None]:
    """Return the outcome of each test."""
    namespace: Namespace = {}
    try:
        exec(job["solution"], namespace)
        target = namespace[job["name"]]
    except Exception as error:  # noqa: BLE001 -- a solution may raise anything
        return [f"solution: {error!r}"] * len(job["tests"])
    names: Namespace = {"func": target, "cls": target}
    namespace.update(names)
    return [
        run_test(test, namespace if job["share_names"] else dict(names)) for test in job["tests"]
    ]


def run_test(test: ProblemTest, namespace: Namespace) -> str | None:
    """Return None if the test passes, otherwise why it does not."""
    try:
        exec(test["ctx"], namespace)
        passed = bool(eval(test["assertion"], namespace))
    except Exception as error:  # noqa: BLE001 -- a solution may raise anything
        return f"{test['assertion']}: {error!r}"
    return None if passed else test["assertion"]


def main() -> None:
    """Answer the jobs on stdin; whatever solutions print goes to stderr."""
    jobs: list[Job] = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        outcomes = [run_job(job) for job in jobs]
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
