"""What stands in a session's small files, read within bounds: what it was asked, and its scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from config.errors import StoreError
from reports.board.entry import MOST_MODELS, ModelRow, shortened
from storage.files.regular_file import refuse_link
from storage.files.utf8_text import clean_text
from storage.records.solution_record import Count, Seconds, Usd
from storage.session.manifest import (
    MANIFEST_NAME,
    SUMMARY_NAME,
    SessionMetadata,
    dataset_hash,
    decode_file,
    read_metadata,
)
from storage.session.session_folder import EVALUATION_FOLDER

_MOST_BYTES = 200_000_000  # of one of these files; progress.json of a million tasks

Percent = Annotated[float, msgspec.Meta(ge=0.0, le=100.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class _Dataset(msgspec.Struct):
    content_hash: str


class _Collection(msgspec.Struct):
    dataset: _Dataset | None = None


class _Overview(msgspec.Struct):
    total_problems: Count = 0
    samples: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    total_solutions: Count = 0
    failed_calls: Count = 0
    categories_processed: list[str] = msgspec.field(default_factory=list)
    answer_files: Count | None = None  # only where there are more than categories

    @property
    def files(self) -> int:
        """How many files of answers there were."""
        return self.answer_files or len(self.categories_processed)


class _Performance(msgspec.Struct):
    valid_rate: Percent = 0.0
    avg_execution_time: Seconds = 0.0


class _Usage(msgspec.Struct):
    input_tokens: Count = 0
    output_tokens: Count = 0
    cost_usd: Usd = 0.0
    solutions_without_cost: Count = 0


class _ModelSummary(msgspec.Struct):
    overview: _Overview
    overall_performance: _Performance
    usage: _Usage


class _Summary(msgspec.Struct):
    """The part of summary.json that the board shows."""

    collection_metadata: _Collection
    model_summaries: dict[str, _ModelSummary]


class _Rate(msgspec.Struct):
    rate: Share
    interval: tuple[Share, Share]


class Score(msgspec.Struct):
    """What an evaluation found of one model."""

    judged: Count = 0
    passed: Count = 0
    verdicts: dict[str, Count] = msgspec.field(default_factory=dict)
    pass_at_1: _Rate | None = None


class _Scores(msgspec.Struct):
    models: dict[str, Score]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a session was asked; dataset: one hash over all problems, None where not known."""

    metadata: SessionMetadata
    dataset: str | None


def read_facts(folder: Path) -> Facts:
    """Return what a session was asked; raises StoreError where that is not known any more."""
    refuse_huge(folder / MANIFEST_NAME)
    refuse_huge(folder / SUMMARY_NAME)
    metadata = read_metadata(folder)
    if metadata is None:
        raise StoreError(f"neither {SUMMARY_NAME} nor {MANIFEST_NAME} can be read")
    if metadata.dataset is not None:
        return Facts(metadata, dataset_hash(metadata.dataset))
    summary = decode_file(folder / SUMMARY_NAME, _Summary)
    described = summary.collection_metadata.dataset if summary else None
    return Facts(metadata, shortened(clean_text(described.content_hash), 64) if described else None)


def summary_rows(folder: Path, answer_files: int) -> list[ModelRow] | None:
    """Return the rows of summary.json, without scores; None where it has none to show.

    answer_files: how many there are. A model has at least one for each of its categories; where
    one is missing, somebody deleted it, or all its calls failed.
    """
    refuse_huge(folder / SUMMARY_NAME)
    summary = decode_file(folder / SUMMARY_NAME, _Summary)
    if summary is None:
        return None
    models = list(summary.model_summaries.items())
    if sum(each.overview.files for _, each in models) != answer_files:
        return None
    return [_row(label, each) for label, each in models[:MOST_MODELS]]


def read_scores(folder: Path) -> dict[str, Score]:
    """Return model -> what the last evaluation found; raises StoreError for links in its place."""
    refuse_link(folder / EVALUATION_FOLDER)
    path = folder / EVALUATION_FOLDER / SUMMARY_NAME
    refuse_huge(path)
    found = decode_file(path, _Scores)
    return found.models if found else {}


def with_score(row: ModelRow, score: Score | None) -> ModelRow:
    """Return a row with what an evaluation found."""
    if score is None:
        return row
    rate = score.pass_at_1
    return msgspec.structs.replace(
        row,
        judged=score.judged,
        passed=score.passed,
        not_run=score.verdicts.get("not_run", 0),
        rate=rate.rate if rate else None,
        low=min(rate.interval) if rate else None,
        high=max(rate.interval) if rate else None,
    )


def _row(label: str, summary: _ModelSummary) -> ModelRow:
    overview, usage = summary.overview, summary.usage
    return ModelRow(
        label=shortened(clean_text(label)),
        total=overview.total_problems * overview.samples,
        answered=overview.total_solutions,
        failed=overview.failed_calls,
        valid_percent=summary.overall_performance.valid_rate,
        cost_usd=usage.cost_usd,
        unpriced=usage.solutions_without_cost,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        seconds=summary.overall_performance.avg_execution_time,
    )


def refuse_huge(path: Path) -> None:
    """Raise StoreError for a file that no run of this program can have written."""
    try:
        size = path.lstat().st_size
    except OSError:
        return
    if size > _MOST_BYTES:
        raise StoreError(f"{path.name} is larger than {_MOST_BYTES:,} bytes: it was not read")
