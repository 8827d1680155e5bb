"""A problem made ready to judge by: its tests as they are sent, and what its self-test found."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from evaluation.decoys import Decoy, decoys_of
from evaluation.inside.run_tests import ChildTest
from evaluation.jobs import Limits
from evaluation.sent_tests import PlainTest, plain_test, to_source
from prompts.problems import Problem


@dataclass(frozen=True, slots=True)
class ProblemTests:
    """A problem's tests.

    sources: as they are sent. tests_sha: changes with whatever a solution is judged by.
    """

    problem: Problem
    plain: tuple[PlainTest, ...]
    sources: tuple[ChildTest, ...]
    tests_sha: str

    def decoys(self, seed: int) -> list[list[Decoy]]:
        """Return the decoys of each test; the same ones for the same seed."""
        random = Random(f"{seed} {self.tests_sha}")
        return [decoys_of(test, random) for test in self.plain]


@dataclass(frozen=True, slots=True)
class ReadyProblem:
    """A problem whose tests are known to work.

    limits: of a job. share_names: its tests need names of the solution other than the one asked
    for. decoys: of each test, those that the reference fails.
    is_verified: it has a reference, and that passed.
    """

    tests: ProblemTests
    limits: Limits
    share_names: bool
    decoys: Sequence[Sequence[Decoy]]
    is_verified: bool


def problem_tests(problem: Problem) -> ProblemTests:
    """Return a problem's tests; raises ValueError, saying why, where they are no Python."""
    try:
        plain = tuple(plain_test(test) for test in problem.tests)
        sources = tuple(to_source(test.trees(), test.keywords) for test in plain)
    except (SyntaxError, RecursionError) as error:
        raise ValueError(f"a test cannot be read: {error}") from error
    content = json.dumps([problem.name, problem.object, sources])
    return ProblemTests(problem, plain, sources, short_hash(content))


def short_hash(text: str) -> str:
    """Return sixteen hex digits that change with the text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
