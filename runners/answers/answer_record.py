"""A problem and its answer, or its failure, in; the record to keep out."""

from config.prompt_text import PromptText
from models.base_model import BaseModel, Usage
from prompts.problem import Problem
from prompts.prompt_template import prompt_version
from runners.calls.reliable_call import Answer, GaveUp
from runners.lanes.lane import Lane
from runners.lanes.task import Task
from storage.records.solution_record import (
    FailureRecord,
    SolutionRecord,
    UsageRecord,
)


def answer_record(
    task: Task, model: BaseModel, answer: Answer, prompt: PromptText | None
) -> SolutionRecord:
    """Return the record of one answer, priced, with what was really sent; its code comes later.

    prompt: the words around the problem, None for the default's.
    """
    problem, completion = task.problem, answer.completion
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
        prompt_version=prompt_version(prompt),
        parameters=completion.parameters,
        requested_model=model.model_name,
        served_model=completion.served_model,
        requested_tier=None if answer.batch else model.requested_tier,
        served_tier=completion.served_tier,
        request_id=completion.request_id,
        finish_reason=completion.finish_reason,
        reasoning_text=completion.reasoning_text,
        usage=_usage_record(completion.usage),
        usage_note=completion.usage_note,
        cost_usd=answer.cost_usd,
        attempts=len(answer.attempts),
        wait_time=answer.wait_seconds,
        sample=task.sample,
        batch=answer.batch,
    )


def failure_record(task: Task, lane: Lane, failure: GaveUp, timestamp: float) -> FailureRecord:
    """Return the record of one task that was given up; timestamp in wall seconds."""
    known = task.asked if isinstance(task.asked, Problem) else None
    return FailureRecord(
        task_id=task.asked.task_id,
        model=lane.label,
        category=task.asked.category,
        error=type(failure.error).__name__,
        message=str(failure.error),
        attempts=failure.attempts,
        timestamp=timestamp,
        sample=task.sample,
        name=known.name if known else None,
        object=known.object if known else None,
        complexity=known.complexity if known else None,
        problem=known.problem if known else None,
        requested_model=lane.model.model_name,
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
