"""What a failed task was asked: older sessions kept no more of it than its id and category."""

from functools import cached_property

import msgspec

from prompts.problems import Problem
from reports.outcomes import OutcomeReader, ProblemOutcomes, SessionOutcomes
from reports.references import references_of
from storage.records.solution_record import FailureRecord, SolutionRecord
from storage.solution_store import SolutionStore


class AskedProblems:
    """Completes failures: by other answers to the same problem, else by the session's dataset."""

    def __init__(self, store: SolutionStore, outcomes: SessionOutcomes) -> None:
        self._store = store
        self._outcomes = outcomes
        self._requested: dict[str, str | None] = {}

    def whole(self, failure: FailureRecord, problem: ProblemOutcomes) -> FailureRecord:
        """Return the failure with all that is known of its problem and its model."""
        known = failure
        if failure.problem is None or failure.name is None:
            asked = _first_answer(problem) or self._references.get(failure.task_id)
            known = _with_problem(failure, asked) if asked is not None else failure
        if known.requested_model is None:
            requested = self._requested_model(failure.model)
            known = msgspec.structs.replace(known, requested_model=requested)
        return known

    @cached_property
    def _references(self) -> dict[str, Problem]:
        return references_of(self._store, lambda problem: problem)[0]

    def _requested_model(self, label: str) -> str | None:
        """Return a model's API id, by its other answers, else by what the session recorded."""
        if label not in self._requested:
            answers = (_first_answer(problem, label) for problem in self._outcomes.problems)
            answer = next((answer for answer in answers if answer is not None), None)
            by_answer = answer.requested_model if answer else ""
            self._requested[label] = by_answer or self._recorded_ids.get(label)
        return self._requested[label]

    @cached_property
    def _recorded_ids(self) -> dict[str, str]:
        metadata = self._store.metadata
        ids = metadata.session_parameters.get("api_ids") if metadata else None
        if metadata is None or not isinstance(ids, list) or len(ids) != len(metadata.models):
            return {}
        return dict(zip(metadata.models, map(str, ids), strict=True))


def _first_answer(problem: ProblemOutcomes, label: str | None = None) -> SolutionRecord | None:
    outcomes = problem.outcomes if label is None else problem.by_model.get(label, ())
    answered = next((outcome for outcome in outcomes if outcome.verdict != "failed"), None)
    if answered is None:
        return None
    with OutcomeReader() as reader:
        record = reader.record(answered)
    return record if isinstance(record, SolutionRecord) else None


def _with_problem(failure: FailureRecord, asked: SolutionRecord | Problem) -> FailureRecord:
    return msgspec.structs.replace(
        failure,
        name=failure.name or asked.name or None,
        object=failure.object or asked.object,
        complexity=asked.complexity if failure.complexity is None else failure.complexity,
        problem=failure.problem or asked.problem or None,
    )
