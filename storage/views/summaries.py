"""summary.json of a session and of each model, in guide.md's shape, from the tallies."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.files.durability import replace_file
from storage.records.tallies import Tally, percent, total
from storage.session.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    SUMMARY_NAME,
    SessionMetadata,
    SessionStatus,
    dataset_hash,
    pretty_json,
)
from storage.session.spending_file import Spending, read_spending
from storage.views.verdicts import evaluation_summary

ModelTallies = Mapping[str, Mapping[str, Tally]]  # model -> category -> counts


def by_model(tallies: Mapping[tuple[str, str], Tally]) -> dict[str, dict[str, Tally]]:
    """Return the tallies as model -> category -> counts, categories sorted."""
    grouped: dict[str, dict[str, Tally]] = {}
    for (model, category), tally in sorted(tallies.items()):
        grouped.setdefault(model, {})[category] = tally
    return grouped


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much a model was to answer, and how many problems it answered at least once.

    problems: None where it is not known. samples: answers wanted to each problem.
    answer_files: how many hold its answers.
    """

    problems: int | None
    samples: int
    problems_answered: int
    answer_files: int


def model_summary(model: str, categories: Mapping[str, Tally], extent: Extent) -> dict[str, object]:
    """Return one model's summary."""
    whole = total(categories.values())
    return {
        "model_name": model,
        "overview": {
            "total_problems": whole.attempted if extent.problems is None else extent.problems,
            **_samples(extent),
            "total_solutions": whole.answered,
            "failed_calls": whole.failed,
            "truncated": whole.truncated,
            "refused": whole.refused,
            "empty": whole.empty,
            "unread": whole.unread,
            "categories_processed": list(categories),
            **_files(categories, extent),
        },
        "overall_performance": {
            **_rates(whole),
            "truncation_rate": percent(whole.truncated, whole.answered),
            "avg_execution_time": whole.average_seconds,
        },
        "category_performance": {name: _rates(tally) for name, tally in categories.items()},
        "usage": {
            "input_tokens": whole.input_tokens,
            "output_tokens": whole.output_tokens,
            "cost_usd": round(whole.cost_usd, 6),
            "solutions_without_cost": whole.unpriced,
        },
    }


def write_model_summary(
    folder: Path, model: str, categories: Mapping[str, Tally], extent: Extent
) -> Path:
    """Write summary.json into a model's folder and return its path."""
    path = folder / SUMMARY_NAME
    content = pretty_json(model_summary(model, categories, extent), path)
    replace_file(path, content, durable=False)
    return path


def write_session_summary(
    folder: Path,
    session_id: str,
    metadata: SessionMetadata,
    tallies: ModelTallies,
    problems_answered: Mapping[str, int],
    answer_files: Mapping[str, int],
    *,
    status: SessionStatus,
    collection_end: float | None,
) -> Path:
    """Write the session's summary.json and return its path.

    problems_answered: model -> problems with an answer. answer_files: model -> how many hold its
    answers. collection_end: seconds since 1970, None while the session runs.
    """
    models = [*metadata.models, *(model for model in tallies if model not in metadata.models)]
    content = {
        "format_version": FORMAT_VERSION,
        "session_id": session_id,
        "status": status,
        "collection_metadata": _collection_metadata(session_id, metadata, models, collection_end),
        "model_summaries": {
            model: model_summary(
                model,
                tallies.get(model, {}),
                _extent(metadata, problems_answered.get(model, 0), answer_files.get(model, 0)),
            )
            for model in models
        },
        "spending": _spending(folder, tallies),
        "collection_date": _local_time(metadata.collection_start),
        **_evaluation(folder),
    }
    path = folder / SUMMARY_NAME
    replace_file(path, pretty_json(content, path))
    return path


def _evaluation(folder: Path) -> dict[str, object]:
    found = evaluation_summary(folder)
    return {} if found is None else {"evaluation": found}


def _extent(metadata: SessionMetadata, problems_answered: int, answer_files: int) -> Extent:
    return Extent(
        problems=metadata.total_problems,
        samples=metadata.samples,
        problems_answered=problems_answered,
        answer_files=answer_files,
    )


def _collection_metadata(
    session_id: str, metadata: SessionMetadata, models: list[str], collection_end: float | None
) -> dict[str, object]:
    described: dict[str, object] = {
        "collection_start": metadata.collection_start,
        "collection_end": collection_end,
        "total_problems": metadata.total_problems,
        "models_evaluated": models,
        "categories_included": metadata.categories,
        "session_id": session_id,
        "session_parameters": metadata.session_parameters,
    }
    if metadata.shard:
        described["shard"] = str(metadata.shard)
    if "extraction_model" in metadata.session_parameters:
        described["extraction"] = {
            "mode": metadata.session_parameters.get("extraction"),
            "model": metadata.session_parameters["extraction_model"],
        }
    if metadata.dataset is not None:
        described["dataset"] = {
            "problems": len(metadata.dataset),
            "content_hash": dataset_hash(metadata.dataset),
            "hashes_in": MANIFEST_NAME,
        }
    return described


def _samples(extent: Extent) -> dict[str, int]:
    """Return what sets answers apart from problems, where they differ."""
    if extent.samples == 1:
        return {}
    return {"samples": extent.samples, "problems_answered": extent.problems_answered}


def _files(categories: Mapping[str, Tally], extent: Extent) -> dict[str, int]:
    """Return how many files there are, where a category has more than one."""
    return {"answer_files": extent.answer_files} if extent.answer_files > len(categories) else {}


def _spending(folder: Path, tallies: ModelTallies) -> dict[str, object]:
    """Return what the answers cost, and the most that was billed beside them."""
    answers_usd = total(tally for kinds in tallies.values() for tally in kinds.values()).cost_usd
    spending = read_spending(folder) or Spending()
    return {
        "answers_usd": round(answers_usd, 6),
        "reserved_usd": round(spending.reserved_usd(answers_usd), 6),
        "held_usd": spending.held_usd,
    }


def _rates(tally: Tally) -> dict[str, float]:
    return {
        "success_rate": tally.valid_percent,  # guide.md's word; final_report.json has another sense
        "answered_rate": tally.answered_percent,
        "valid_rate": tally.valid_percent,
        "syntax_validity_rate": tally.syntax_percent,
    }


def _local_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
