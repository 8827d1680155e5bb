"""What a job's result means for the solution: a verdict and its reason; pure."""

import signal
from typing import Literal

import msgspec

from evaluation.jobs import JobResult
from evaluation.problem_tests import ReadyProblem
from evaluation.self_test import passes
from evaluation.sent_tests import to_text
from evaluation.verdict_lines import TestLine

Verdict = Literal["passed", "failed", "flaky", "not_run"]
Reason = Literal[
    "",
    "wrong_answer", "exception", "load_error", "name_missing", "timeout", "memory", "crashed",
    "denied", "flood", "protocol", "forged",
    "no_solution", "truncated", "refused",
    "bad_problem", "needs_packages", "sandbox_lost", "interrupted",
]  # fmt: skip
TestStatus = Literal["pass", "fail", "error", "memory", "denied", "running", "not_reached"]

_OF_STATUS: dict[TestStatus, Reason] = {
    "fail": "wrong_answer",
    "error": "exception",
    "memory": "memory",
    "denied": "denied",
}
_OF_LOADING: dict[str, Reason] = {
    "missing": "name_missing",
    "load_fail": "load_error",
    "load_error": "load_error",
    "load_memory": "memory",
    "load_denied": "denied",
}


class FailedTest(msgspec.Struct, frozen=True, kw_only=True):
    """The first test that failed; number from 1, what came and what was expected where known."""

    number: int
    test: str
    came: str = ""
    expected: str = ""
    text: str = ""


class DecoyCount(msgspec.Struct, frozen=True, kw_only=True):
    """Changed tests that a solution was tried on, and passed; weak: mere negations among them.

    evidence: one that it passed.
    """

    run: int = 0
    passed: int = 0
    weak: int = 0
    evidence: str = ""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a solution is worth.

    tests: status, seconds and text of each. cpu_seconds, wall_seconds, peak_memory_mb: of the job
    that decided. attempts: jobs that ran the tests. output_tail: what it printed last.
    """

    verdict: Verdict
    reason: Reason = ""
    passed_tests: int = 0
    total_tests: int = 0
    tests: list[tuple[TestStatus, float, str]] = msgspec.field(default_factory=list)
    failed_test: FailedTest | None = None
    decoys: DecoyCount = DecoyCount()
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    attempts: int = 0
    output_tail: str = ""
    detail: str = ""


def judge_result(problem: ReadyProblem, result: JobResult, attempts: int) -> Judgement:
    """Return what a run of the tests comes to, decoys not yet asked."""
    lines = result.lines.tests
    reason = _reason(result)
    return Judgement(
        verdict="failed" if reason else "passed",
        reason=reason,
        passed_tests=sum(line.status == "pass" for line in lines),
        total_tests=len(lines),
        tests=[(line.status, line.seconds, line.text) for line in lines],
        failed_test=_first_failed(problem, lines),
        cpu_seconds=result.end["cpu_seconds"],
        wall_seconds=result.end["wall_seconds"],
        peak_memory_mb=result.end["peak_mb"],
        attempts=attempts,
        output_tail=result.lines.output_tail,
        detail=_detail(result),
    )


def not_run(reason: Reason, detail: str = "", total_tests: int = 0) -> Judgement:
    """Return the verdict on what could not be judged: unknown, never passed and never failed."""
    return Judgement(verdict="not_run", reason=reason, detail=detail, total_tests=total_tests)


def failed_unrun(reason: Reason, total_tests: int) -> Judgement:
    """Return the verdict on an answer without code."""
    return Judgement(verdict="failed", reason=reason, total_tests=total_tests)


def _reason(result: JobResult) -> Reason:
    """Return why a run is not a pass, "" where it is one."""
    lines = result.lines
    if passes(result):
        return ""
    if result.end["ended"] in ("flood", "disk"):
        return "flood"
    if result.ran_out_of_time:
        return "timeout"
    if result.signal_number:
        return "denied" if result.signal_number == signal.SIGSYS else "crashed"
    if not lines.is_legal:
        return "protocol"
    if lines.loading in _OF_LOADING:
        return _OF_LOADING[lines.loading]
    failed = next((line for line in lines.tests if line.status in _OF_STATUS), None)
    if failed is not None:
        return _OF_STATUS[failed.status]
    return "crashed" if not lines.ended else "protocol"


def _detail(result: JobResult) -> str:
    """Return what is to be known of an end that no test tells."""
    if result.lines.loading in _OF_LOADING:
        return result.lines.loading_line.text
    if result.end["ended"] == "disk":
        return "it filled its folder"
    if result.signal_number and not result.ran_out_of_time:
        try:
            return f"ended by {signal.Signals(result.signal_number).name}"
        except ValueError:
            return f"ended by signal {result.signal_number}"
    if not result.lines.ended and result.exit_code is not None:
        return f"it ended the process, with exit code {result.exit_code}"
    return ""


def _first_failed(problem: ReadyProblem, lines: list[TestLine]) -> FailedTest | None:
    for number, line in enumerate(lines):
        if line.status not in ("pass", "not_reached"):
            return FailedTest(
                number=number + 1,
                test=to_text(problem.tests.plain[number], line.line)[:1000],
                came=line.came,
                expected=line.expected,
                text=line.text,
            )
    return None
