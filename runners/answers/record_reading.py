"""What is read of a record, and the record with what came of it; quick to import in a worker."""

import msgspec

from processors.extraction.code_candidates import EXTRACTION_VERSION
from processors.reading.reading import ExtractionMode, Reading, Reply, validation_of
from processors.workers.bounds import Unfinished
from prompts.problem import SolutionKind
from storage.records.solution_record import GAVE_UP, ExtractionRecord, SolutionRecord


def reply_in(record: SolutionRecord, mode: ExtractionMode = "regex") -> Reply:
    """Return what is to be read of a record; mode: which replies an LLM is asked about."""
    return Reply(
        text=record.raw_response,
        name=record.name or None,
        kind=_kind(record.object),
        is_cut=record.finish_reason == "length",
        mode=mode,
    )


def with_reading(
    record: SolutionRecord,
    reading: Reading,
    *,
    asked_model: str | None = None,
    asked_cost_usd: float | None = None,
) -> SolutionRecord:
    """Return the record with its code, and the verdict on it; asked: the LLM, if one was."""
    extraction = reading.extraction
    return msgspec.structs.replace(
        record,
        extracted_solution=extraction.code,
        validation=reading.validation,
        extraction=ExtractionRecord(
            method=extraction.method,
            version=EXTRACTION_VERSION,
            candidates=extraction.candidates,
            ambiguous=extraction.ambiguous,
            truncated=extraction.truncated,
            span=extraction.span,
            model=asked_model,
            cost_usd=asked_cost_usd,
        ),
    )


def without_reading(record: SolutionRecord, unfinished: Unfinished) -> SolutionRecord:
    """Return the record of a reply that could not be read within bounds: no code, and why."""
    reply = reply_in(record)
    return msgspec.structs.replace(
        record,
        extracted_solution="",
        validation=validation_of("", reply),
        extraction=ExtractionRecord(
            method=GAVE_UP,
            version=EXTRACTION_VERSION,
            candidates=0,
            ambiguous=False,
            truncated=reply.is_cut,
            reason=unfinished.reason,
        ),
    )


def _kind(text: str | None) -> SolutionKind | None:
    return "function" if text == "function" else "class" if text == "class" else None
