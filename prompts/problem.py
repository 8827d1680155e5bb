"""One problem: what a model is asked, and what its answer will be held against."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import msgspec

SolutionKind = Literal["function", "class"]


class TestCase(msgspec.Struct, frozen=True):
    """One check of a solution: ctx is run first, then assertion must be true."""

    __test__ = False  # not a test class for pytest

    assertion: str
    ctx: str = ""
    inspection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem: its text speaks of `func` or `cls`, a solution must define `name`."""

    task_id: str
    name: str
    problem: str
    canonical_solution: str
    tests: tuple[TestCase, ...]
    category: str
    complexity: int | None
    object: SolutionKind | None

    def read(self) -> "Problem":
        """Return the problem itself: nothing of it is left in a file."""
        return self

    @property
    def content_hash(self) -> str:
        """Sixteen hex digits that change with whatever a model is asked or judged by."""
        parts = (self.task_id, self.name, self.problem, self.category, self.object or "")
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
