"""A problem, its answer and what was made of it in; the record to keep out."""

from collections.abc import Mapping
from typing import Any

import msgspec

from models.base_model import BaseModel, Usage
from processors.extraction.code_candidates import EXTRACTION_VERSION, Extraction
from processors.response_validator import ResponseValidator
from prompts.problems import Problem, SolutionKind
from prompts.prompt_template import PROMPT_VERSION
from runners.answers.llm_extraction import ExtractionAsk
from runners.calls.reliable_call import Answer, GaveUp
from runners.lanes.lane import Lane
from storage.records.solution_record import (
    ExtractionRecord,
    FailureRecord,
    SolutionRecord,
    UsageRecord,
)


def answer_record(problem: Problem, model: BaseModel, answer: Answer) -> SolutionRecord:
    """Return the record of one answer, priced, with what was really sent; its code comes later."""
    completion = answer.completion
    return SolutionRecord(
        task_id=problem.task_id,
        model=model.config.label,
        problem=problem.problem,
        category=problem.category,
        complexity=problem.complexity,
        raw_response=completion.text,
        extracted_solution="",
        validation={},
        llm_call_success=True,
        execution_time=answer.execution_seconds,
        timestamp=answer.answered_at,
        name=problem.name,
        object=problem.object,
        prompt_version=PROMPT_VERSION,
        parameters=completion.parameters,
        requested_model=model.model_name,
        served_model=completion.served_model,
        request_id=completion.request_id,
        finish_reason=completion.finish_reason,
        reasoning_text=completion.reasoning_text,
        usage=_usage_record(completion.usage),
        cost_usd=answer.cost_usd,
        attempts=len(answer.attempts),
        wait_time=answer.wait_seconds,
    )


def with_extraction(
    record: SolutionRecord, extraction: Extraction, asked: ExtractionAsk | None = None
) -> SolutionRecord:
    """Return the record with its code, and the verdict on it; asked: the LLM, if one was."""
    validation = ResponseValidator().validate(extraction.code, record.name, _kind(record.object))
    return msgspec.structs.replace(
        record,
        extracted_solution=extraction.code,
        validation=_json_object(validation),
        extraction=ExtractionRecord(
            method=extraction.method,
            version=EXTRACTION_VERSION,
            candidates=extraction.candidates,
            ambiguous=extraction.ambiguous,
            truncated=extraction.truncated,
            span=extraction.span,
            model=asked.model_label if asked else None,
            cost_usd=asked.cost_usd if asked else None,
        ),
    )


def failure_record(
    problem: Problem, lane: Lane, failure: GaveUp, timestamp: float
) -> FailureRecord:
    """Return the record of one task that was given up; timestamp in wall seconds."""
    return FailureRecord(
        task_id=problem.task_id,
        model=lane.label,
        category=problem.category,
        error=type(failure.error).__name__,
        message=str(failure.error),
        attempts=failure.attempts,
        timestamp=timestamp,
    )


def _usage_record(usage: Usage | None) -> UsageRecord | None:
    if usage is None:
        return None
    return UsageRecord(
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


def _kind(text: str | None) -> SolutionKind | None:
    return "function" if text == "function" else "class" if text == "class" else None


def _json_object(value: object) -> Mapping[str, object]:
    built: Any = msgspec.to_builtins(value)
    assert isinstance(built, dict), "a verdict is an object in JSON"
    return built
