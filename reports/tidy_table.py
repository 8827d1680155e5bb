"""A session as one tidy table: a row a task, answered or failed, in plain columns."""

from collections.abc import Iterator, Mapping

import msgspec

from reports.outcomes import Verdict, read_outcomes, read_record, verdict_of
from storage.records.solution_record import FailureRecord, SolutionRecord
from storage.solution_store import SolutionStore


class TidyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One task's row. Times in seconds, moments in seconds since 1970; None where not known.

    parameters, validation: JSON text.
    """

    session_id: str
    task_id: str
    model: str
    category: str
    complexity: int | None = None
    name: str | None = None
    object: str | None = None
    outcome: Verdict
    is_valid: bool
    finish_reason: str | None = None
    problem: str | None = None
    raw_response: str | None = None
    reasoning_text: str | None = None
    extracted_solution: str | None = None
    validation: str | None = None
    extraction_method: str | None = None
    extraction_is_ambiguous: bool | None = None
    execution_time: float | None = None
    wait_time: float | None = None
    attempts: int
    timestamp: float
    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    requested_model: str | None = None
    served_model: str | None = None
    request_id: str | None = None
    parameters: str | None = None
    prompt_version: str | None = None
    error: str | None = None
    error_message: str | None = None
    sample: int


def tidy_rows(store: SolutionStore) -> Iterator[TidyRow]:
    """Yield a row for every answer and every failure without one; one record is held at a time."""
    for problem in read_outcomes(store).problems:
        for outcome in problem.outcomes:
            record = read_record(outcome)
            if isinstance(record, SolutionRecord):
                yield _answer_row(store.session_id, record)
            elif record is not None:
                yield _failure_row(store.session_id, record)


def _answer_row(session_id: str, record: SolutionRecord) -> TidyRow:
    usage, extraction = record.usage, record.extraction
    return TidyRow(
        session_id=session_id,
        task_id=record.task_id,
        model=record.model,
        category=record.category,
        complexity=record.complexity,
        name=record.name,
        object=record.object,
        outcome=verdict_of(record),
        is_valid=verdict_of(record) == "valid",
        finish_reason=record.finish_reason,
        problem=record.problem,
        raw_response=record.raw_response,
        reasoning_text=record.reasoning_text,
        extracted_solution=record.extracted_solution,
        validation=_json(record.validation),
        extraction_method=extraction.method if extraction else None,
        extraction_is_ambiguous=extraction.ambiguous if extraction else None,
        execution_time=record.execution_time,
        wait_time=record.wait_time,
        attempts=record.attempts,
        timestamp=record.timestamp,
        input_tokens=usage.input_tokens if usage else None,
        cached_tokens=usage.cached_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        reasoning_tokens=usage.reasoning_tokens if usage else None,
        cost_usd=record.cost_usd,
        requested_model=record.requested_model,
        served_model=record.served_model,
        request_id=record.request_id,
        parameters=_json(record.parameters),
        prompt_version=record.prompt_version,
        sample=record.sample,
    )


def _failure_row(session_id: str, failure: FailureRecord) -> TidyRow:
    return TidyRow(
        session_id=session_id,
        task_id=failure.task_id,
        model=failure.model,
        category=failure.category,
        outcome="failed",
        is_valid=False,
        attempts=len(failure.attempts),
        timestamp=failure.timestamp,
        error=failure.error,
        error_message=failure.message,
        sample=failure.sample,
    )


def _json(value: Mapping[str, object]) -> str:
    return msgspec.json.encode(value).decode("utf-8")
