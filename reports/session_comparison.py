"""What changed between sessions, or between models: verdict by verdict, problem by problem."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from config.prompt_text import prompt_of
from prompts.prompt_template import prompt_version
from reports.outcomes import ProblemOutcomes, read_outcomes
from reports.pass_counts import model_verdicts
from storage.solution_store import SolutionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What came of one model's tasks."""

    answered: int
    valid: int
    failed: int
    undone: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How one model did on one problem.

    text: the verdict, or "3/5 valid" where it gave several answers. share: of them valid, 0 to 1.
    """

    text: str
    share: float


@dataclass(frozen=True, slots=True)
class Column:
    """One model in one session, and its problems by task id.

    samples: how many answers it was asked for to each problem. passed: task id -> whether all
    tests passed, of each sample that has a verdict; None where nothing was judged.
    """

    session_id: str
    model: str
    problems: Mapping[str, ProblemOutcomes]
    samples: int
    passed: Mapping[str, list[bool]] | None = None

    @property
    def label(self) -> str:
        return f"{self.session_id}/{self.model}"

    def standing(self, task_id: str) -> Standing:
        """Return how the model did on a problem; its verdict is "undone" where it did nothing."""
        problem = self.problems.get(task_id)
        if problem is None or self.model not in problem.by_model:
            return Standing("undone", 0.0)
        if self.samples == 1:
            verdict = problem.verdict(self.model)
            return Standing(verdict, float(verdict == "valid"))
        valid, attempted = problem.valid_samples(self.model)
        return Standing(f"{valid}/{attempted} valid", valid / attempted)

    def rightness(self, task_id: str) -> Standing | None:
        """Return whether a problem is solved rightly, None where that is not known."""
        passed = (self.passed or {}).get(task_id)
        if not passed:
            return None
        if self.samples == 1:
            return Standing("right" if passed[0] else "wrong", float(passed[0]))
        return Standing(f"{sum(passed)}/{len(passed)} right", sum(passed) / len(passed))

    def has(self, task_id: str) -> bool:
        """Return whether the model answered or failed the problem at least once."""
        problem = self.problems.get(task_id)
        return problem is not None and bool(problem.by_model.get(self.model))

    def code_hashes(self, task_id: str) -> list[int]:
        """Return what changes with the code of the answers, [] where there are none."""
        problem = self.problems.get(task_id)
        outcomes = problem.by_model.get(self.model, ()) if problem else ()
        return [outcome.code_hash for outcome in outcomes]

    def count(self, task_ids: Sequence[str]) -> Counts:
        """Return what came of the model's tasks for these problems."""
        problems = [self.problems[task_id] for task_id in task_ids if task_id in self.problems]
        verdicts = [o.verdict for p in problems for o in p.by_model.get(self.model, ())]
        failed = verdicts.count("failed")
        return Counts(
            answered=len(verdicts) - failed,
            valid=verdicts.count("valid"),
            failed=failed,
            undone=len(task_ids) * self.samples - len(verdicts),
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """How one column differs from another: (task id, standing before, standing after) each.

    not_compared: problems of which one of the two has no outcome. rightness: the same by tests,
    None where one of the two was not judged.
    """

    before: Column
    after: Column
    gained: list[tuple[str, str, str]]
    lost: list[tuple[str, str, str]]
    otherwise: list[tuple[str, str, str]]
    other_code: list[str]
    same: int
    not_compared: int
    rightness: "RightnessDifference | None" = None

    @property
    def counts_samples(self) -> bool:
        """Whether a side gave several answers to a problem, so that shares are compared."""
        return max(self.before.samples, self.after.samples) > 1


@dataclass(frozen=True, slots=True)
class RightnessDifference:
    """Which problems became right or wrong: (task id, before, after) each.

    not_compared: problems without a verdict on both sides.
    """

    gained: list[tuple[str, str, str]]
    lost: list[tuple[str, str, str]]
    same: int
    not_compared: int


@dataclass(frozen=True, slots=True)
class Row:
    """One problem with the standing of every column; is_reworded: sessions asked it differently.

    rightness: of every column that was judged, "" where it has no verdict.
    """

    task_id: str
    category: str
    is_reworded: bool
    standings: list[str]
    rightness: list[str]


@dataclass(frozen=True, slots=True)
class SessionComparison:
    """Every column, each but the first against an earlier one, and every problem.

    only_in_some: how many problems not all sessions have. prompts: each session's, as its records
    name it.
    """

    columns: list[Column]
    differences: list[Difference]
    rows: list[Row]
    only_in_some: int
    prompts: dict[str, str]


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
        Row(
            task_id,
            category,
            task_id in reworded,
            [column.standing(task_id).text for column in columns],
            [_text(column.rightness(task_id)) for column in columns if column.passed is not None],
        )
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
    prompts = {store.session_id: _prompt(store) for store in stores}
    return SessionComparison(columns, differences, rows, len(rows) - len(in_all), prompts)


def _columns(store: SolutionStore) -> Iterator[Column]:
    outcomes = read_outcomes(store, with_code=True)
    problems = {problem.task_id: problem for problem in outcomes.problems}
    for model in outcomes.models:
        passed = _passed(store, model)
        yield Column(store.session_id, model, problems, store.samples, passed)


def _passed(store: SolutionStore, model: str) -> dict[str, list[bool]] | None:
    """Return task id -> whether each judged sample passed, None where nothing was judged."""
    verdicts = model_verdicts(store, model)
    found: dict[str, list[bool]] = {}
    for (task_id, _), passed in sorted(verdicts.items()):
        if passed is not None:
            found.setdefault(task_id, []).append(passed)
    return found if verdicts else None


def _text(standing: Standing | None) -> str:
    return standing.text if standing else ""


def _prompt(store: SolutionStore) -> str:
    return prompt_version(prompt_of(store.metadata.session_parameters if store.metadata else {}))


def _earlier(columns: Sequence[Column], place: int) -> Column:
    wanted = columns[place]
    for column in reversed(columns[:place]):
        if column.model == wanted.model:
            return column
    return columns[0]


def _difference(before: Column, after: Column, task_ids: Sequence[str]) -> Difference:
    gained, lost, otherwise, other_code = [], [], [], []
    asked = [t for t in task_ids if before.has(t) and after.has(t)]
    for task_id in asked:
        one, other = before.standing(task_id), after.standing(task_id)
        change = (task_id, one.text, other.text)
        if one == other:
            if before.code_hashes(task_id) != after.code_hashes(task_id):
                other_code.append(task_id)
        elif other.share > one.share:
            gained.append(change)
        elif other.share < one.share:
            lost.append(change)
        else:
            otherwise.append(change)
    same = len(asked) - len(gained) - len(lost) - len(otherwise) - len(other_code)
    not_compared = len(task_ids) - len(asked)
    return Difference(
        *(before, after, gained, lost, otherwise, other_code, same, not_compared),
        _rightness(before, after, task_ids),
    )


def _rightness(
    before: Column, after: Column, task_ids: Sequence[str]
) -> RightnessDifference | None:
    if before.passed is None or after.passed is None:
        return None
    gained, lost, same = [], [], 0
    for task_id in task_ids:
        one, other = before.rightness(task_id), after.rightness(task_id)
        if one is None or other is None:
            continue
        change = (task_id, one.text, other.text)
        if other.share > one.share:
            gained.append(change)
        elif other.share < one.share:
            lost.append(change)
        else:
            same += 1
    compared = len(gained) + len(lost) + same
    return RightnessDifference(gained, lost, same, len(task_ids) - compared)


def _reworded(stores: Sequence[SolutionStore]) -> set[str]:
    hashes: dict[str, set[str]] = {}
    for store in stores:
        dataset = (store.metadata and store.metadata.dataset) or {}
        for task_id, content_hash in dataset.items():
            hashes.setdefault(task_id, set()).add(content_hash)
    return {task_id for task_id, kinds in hashes.items() if len(kinds) > 1}
