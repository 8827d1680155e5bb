"""What changed between sessions, or between models: verdict by verdict, problem by problem."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reports.outcomes import ProblemOutcomes, Verdict, read_outcomes
from storage.solution_store import SolutionStore


@dataclass(frozen=True, slots=True)
class Column:
    """One model in one session, and its problems by task id."""

    session_id: str
    model: str
    problems: Mapping[str, ProblemOutcomes]

    @property
    def label(self) -> str:
        return f"{self.session_id}/{self.model}"

    def verdict(self, task_id: str) -> Verdict:
        """Return the verdict on a task, "undone" where there is none."""
        problem = self.problems.get(task_id)
        return problem.verdict(self.model) if problem else "undone"

    def code_hash(self, task_id: str) -> int:
        """Return what changes with the code of the answer, 0 where there is none."""
        problem = self.problems.get(task_id)
        outcome = problem.by_model.get(self.model) if problem else None
        return outcome.code_hash if outcome else 0


@dataclass(frozen=True, slots=True)
class Difference:
    """How one column differs from another: (task id, verdict before, verdict after) each."""

    before: Column
    after: Column
    gained: list[tuple[str, Verdict, Verdict]]
    lost: list[tuple[str, Verdict, Verdict]]
    otherwise: list[tuple[str, Verdict, Verdict]]
    other_code: list[str]
    same: int


@dataclass(frozen=True, slots=True)
class Row:
    """One problem with the verdict of every column; is_reworded: sessions asked it differently."""

    task_id: str
    category: str
    is_reworded: bool
    verdicts: list[Verdict]


@dataclass(frozen=True, slots=True)
class SessionComparison:
    """Every column, each but the first against an earlier one, and every problem.

    only_in_some: how many problems not all sessions have.
    """

    columns: list[Column]
    differences: list[Difference]
    rows: list[Row]
    only_in_some: int


def compare(stores: Sequence[SolutionStore]) -> SessionComparison:
    """Return how sessions, or the models of one session, differ.

    A column is held against the same model in the session before; a model that no session before
    has, against the first column.
    """
    columns = [column for store in stores for column in _columns(store)]
    categories: dict[str, str] = {}
    for column in columns:
        for task_id, problem in column.problems.items():
            categories.setdefault(task_id, problem.category)
    reworded = _reworded(stores)
    rows = [
        Row(task_id, category, task_id in reworded, [c.verdict(task_id) for c in columns])
        for task_id, category in sorted(categories.items(), key=lambda item: item[1])
    ]
    task_ids = [row.task_id for row in rows]
    differences = [
        _difference(_earlier(columns, place), column, task_ids)
        for place, column in enumerate(columns)
        if place
    ]
    asked = [set(column.problems) for column in columns]
    in_all = set.intersection(*asked) if asked else set()
    return SessionComparison(columns, differences, rows, len(rows) - len(in_all))


def _columns(store: SolutionStore) -> Iterator[Column]:
    outcomes = read_outcomes(store)
    problems = {problem.task_id: problem for problem in outcomes.problems}
    for model in outcomes.models:
        yield Column(store.session_id, model, problems)


def _earlier(columns: Sequence[Column], place: int) -> Column:
    wanted = columns[place]
    for column in reversed(columns[:place]):
        if column.model == wanted.model:
            return column
    return columns[0]


def _difference(before: Column, after: Column, task_ids: Sequence[str]) -> Difference:
    gained, lost, otherwise, other_code = [], [], [], []
    for task_id in task_ids:
        one, other = before.verdict(task_id), after.verdict(task_id)
        change = (task_id, one, other)
        if one == other:
            if before.code_hash(task_id) != after.code_hash(task_id):
                other_code.append(task_id)
        elif other == "valid":
            gained.append(change)
        elif one == "valid":
            lost.append(change)
        else:
            otherwise.append(change)
    same = len(task_ids) - len(gained) - len(lost) - len(otherwise) - len(other_code)
    return Difference(before, after, gained, lost, otherwise, other_code, same)


def _reworded(stores: Sequence[SolutionStore]) -> set[str]:
    hashes: dict[str, set[str]] = {}
    for store in stores:
        dataset = (store.metadata and store.metadata.dataset) or {}
        for task_id, content_hash in dataset.items():
            hashes.setdefault(task_id, set()).add(content_hash)
    return {task_id for task_id, kinds in hashes.items() if len(kinds) > 1}
