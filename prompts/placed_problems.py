"""Problems of a large dataset, which stay in its files: a run holds where they stand.

What is asked is read from the file when its turn comes, and is what it was when the run began, or
is not asked.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from sys import intern
from typing import overload

from config.errors import ProblemChanged
from prompts.formats.row_reader import RowReader
from prompts.problem import Problem


@dataclass(frozen=True, slots=True)
class ProblemFile:
    """One file of a dataset; is_packed: no line of it can be read without those before."""

    path: Path
    stem: str
    read_row: RowReader
    is_packed: bool


@dataclass(slots=True, eq=False)
class ProblemPlaces:
    """Where each problem of a dataset stands, a column for each fact; some 200 bytes a problem.

    hashes: of their contents, where the problems are not held. held: those of packed files, whole.
    """

    files: list[ProblemFile] = field(default_factory=list)
    task_ids: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    file_numbers: "array[int]" = field(default_factory=lambda: array("I"))
    line_numbers: "array[int]" = field(default_factory=lambda: array("I"))
    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    lengths: "array[int]" = field(default_factory=lambda: array("I"))
    held: dict[int, Problem] = field(default_factory=dict)

    def add(self, problem: Problem, line_number: int, offset: int, length: int) -> None:
        """Note a problem of the last file."""
        number = len(self.task_ids)
        self.task_ids.append(problem.task_id)
        self.categories.append(intern(problem.category))
        self.file_numbers.append(len(self.files) - 1)
        self.line_numbers.append(line_number)
        self.offsets.append(offset)
        self.lengths.append(length)
        if self.files[-1].is_packed:
            self.held[number] = problem

    def place(self, number: int) -> str:
        """Return file.jsonl:LINE."""
        file = self.files[self.file_numbers[number]]
        return f"{file.path.name}:{self.line_numbers[number]}"

    def read(self, number: int) -> Problem:
        """Return a problem as it was; raises ProblemChanged where its file says otherwise."""
        if number in self.held:
            return self.held[number]
        file = self.files[self.file_numbers[number]]
        try:
            with file.path.open("rb") as opened:
                opened.seek(self.offsets[number])
                problem = file.read_row(opened.read(self.lengths[number]), file.stem)
        except (OSError, ValueError, RecursionError):
            problem = None
        if problem is None or problem.content_hash != self.hashes[number]:
            raise ProblemChanged(
                f"{self.place(number)} is not what it was when the run began: not asked"
            )
        # One id for all that is known of a problem, however often it is read.
        return replace(problem, task_id=self.task_ids[number], category=self.categories[number])


@dataclass(frozen=True, slots=True)
class PlacedProblem:
    """One problem; what is not told here is in its file."""

    places: ProblemPlaces
    number: int

    @property
    def task_id(self) -> str:
        return self.places.task_ids[self.number]

    @property
    def category(self) -> str:
        return self.places.categories[self.number]

    @property
    def content_hash(self) -> str:
        """As Problem has it, of the text when the dataset was read."""
        return self.places.hashes[self.number]

    def read(self) -> Problem:
        """Return the problem; raises ProblemChanged where its file says otherwise now."""
        return self.places.read(self.number)


AskedProblem = Problem | PlacedProblem


class PlacedProblems(Sequence[PlacedProblem]):
    """Some problems of a dataset, in the order in which they are asked."""

    def __init__(self, places: ProblemPlaces, numbers: Iterable[int]) -> None:
        self._places = places
        self._numbers = array("I", numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[PlacedProblem]:
        places = self._places
        return (PlacedProblem(places, number) for number in self._numbers)

    @overload
    def __getitem__(self, place: int) -> PlacedProblem: ...
    @overload
    def __getitem__(self, place: slice) -> "PlacedProblems": ...
    def __getitem__(self, place: int | slice) -> "PlacedProblem | PlacedProblems":
        if isinstance(place, slice):
            return PlacedProblems(self._places, self._numbers[place])
        return PlacedProblem(self._places, self._numbers[place])

    def where(self, is_wanted: Callable[[PlacedProblem], bool]) -> "PlacedProblems":
        """Return those of the problems that are wanted."""
        return PlacedProblems(self._places, (each.number for each in self if is_wanted(each)))


def those_of(
    problems: Sequence[AskedProblem], is_wanted: Callable[[AskedProblem], bool]
) -> Sequence[AskedProblem]:
    """Return those of the problems that are wanted, held as the others are."""
    if isinstance(problems, PlacedProblems):
        return problems.where(is_wanted)
    return tuple(problem for problem in problems if is_wanted(problem))
