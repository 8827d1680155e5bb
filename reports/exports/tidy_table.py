"""A session as one tidy table: a row a task, answered or failed, in plain columns."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain

import msgspec

from processors.workers.engine import HERE, Engine
from reports.exports.asked_problems import AskedProblems
from reports.outcome_work import Verdict, verdict_of
from reports.outcomes import Outcome, OutcomeReader, ProblemOutcomes, read_outcomes
from storage.records.record_json import decode_failure, decode_solution, encode_failure
from storage.records.solution_record import FailureRecord, JsonObject, SolutionRecord
from storage.solution_store import SolutionStore
from storage.views.verdicts import JudgedAnswer, last_judgements


class TidyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One task's row. Times in seconds; None where not known.

    timestamp: seconds since 1970; timestamp_iso: the same moment in UTC, as ISO 8601 has it.
    verdict, reason, passed_tests, total_tests, cpu_seconds: of the answer's tests, None where it
    was not judged.
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
    validation: JsonObject | None = None
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
    requested_tier: str | None = None
    served_tier: str | None = None
    request_id: str | None = None
    parameters: JsonObject | None = None
    prompt_version: str | None = None
    error: str | None = None
    error_message: str | None = None
    sample: int
    timestamp_iso: str
    verdict: str | None = None
    reason: str | None = None
    passed_tests: int | None = None
    total_tests: int | None = None
    cpu_seconds: float | None = None
    batch_id: str | None = None


class RowSource(msgspec.Struct, frozen=True, array_like=True):
    """What a row is made of: the line of an answer or of a failure, and what its tests came to."""

    line: bytes
    is_answer: bool
    judged: JudgedAnswer | None = None


def row_sources(store: SolutionStore, engine: Engine = HERE) -> Iterator[RowSource]:
    """Yield the source of each row, one for every answer and every failure without one.

    engine: what looks through the answers.
    """
    outcomes = read_outcomes(store, engine=engine)
    asked = AskedProblems(store, outcomes)
    groups = (paths for model in outcomes.models for paths in store.answer_files(model))
    judgements = last_judgements(chain.from_iterable(groups))
    with OutcomeReader() as reader:
        for problem, model, outcome in _each(outcomes.problems):
            if outcome.verdict == "failed":
                failure = reader.record(outcome)
                if isinstance(failure, FailureRecord):
                    whole = encode_failure(asked.whole(failure, problem))[1]
                    yield RowSource(whole, is_answer=False)
            else:
                judged = judgements.get((model, problem.task_id, outcome.sample))
                yield RowSource(reader.line(outcome), is_answer=True, judged=judged)


def _each(
    problems: Iterable[ProblemOutcomes],
) -> Iterator[tuple[ProblemOutcomes, str, Outcome]]:
    for problem in problems:
        for model, of_model in problem.by_model.items():
            for outcome in of_model:
                yield problem, model, outcome


def row_of(session_id: str, source: RowSource) -> TidyRow | None:
    """Return the row, None where its line is none any more."""
    if not source.is_answer:
        failure = decode_failure(source.line)
        return _failure_row(session_id, failure) if failure else None
    record = decode_solution(source.line)
    if record is None:
        return None
    row = _answer_row(session_id, record)
    return _judged_row(row, source.judged) if source.judged else row


def iso_moment(timestamp: float) -> str:
    """Return a moment, in seconds since 1970, as ISO 8601 in UTC, to the microsecond."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="microseconds")


def _judged_row(row: TidyRow, judged: JudgedAnswer) -> TidyRow:
    """Return the row with the verdict; of an answer that could not be run no figure is known."""
    was_run = judged.verdict != "not_run"
    return msgspec.structs.replace(
        row,
        verdict=judged.verdict,
        reason=judged.reason or None,
        passed_tests=judged.passed_tests if was_run else None,
        total_tests=judged.total_tests if was_run else None,
        cpu_seconds=judged.cpu_seconds if was_run else None,
    )


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
        validation=record.validation,
        extraction_method=extraction.method if extraction else None,
        extraction_is_ambiguous=extraction.ambiguous if extraction else None,
        execution_time=record.latency,
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
        requested_tier=record.requested_tier,
        served_tier=record.served_tier,
        request_id=record.request_id,
        parameters=record.parameters,
        prompt_version=record.prompt_version,
        sample=record.sample,
        timestamp_iso=iso_moment(record.timestamp),
        batch_id=record.batch.id if record.batch else None,
    )


def _failure_row(session_id: str, failure: FailureRecord) -> TidyRow:
    return TidyRow(
        session_id=session_id,
        task_id=failure.task_id,
        model=failure.model,
        category=failure.category,
        complexity=failure.complexity,
        name=failure.name,
        object=failure.object,
        problem=failure.problem,
        requested_model=failure.requested_model,
        outcome="failed",
        is_valid=False,
        attempts=len(failure.attempts),
        timestamp=failure.timestamp,
        error=failure.error,
        error_message=failure.message,
        sample=failure.sample,
        timestamp_iso=iso_moment(failure.timestamp),
    )
