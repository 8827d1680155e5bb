"""A session's folder -> its entry: from its summary where that is current, else its answers."""

from collections import Counter
from pathlib import Path

from reports.board.entry import MOST_MODELS, Live, ModelRow, SessionEntry, dataset_name, shortened
from reports.board.session_facts import (
    Facts,
    Score,
    read_facts,
    read_scores,
    refuse_huge,
    summary_rows,
    with_score,
)
from reports.board.session_listing import AnswersStamp, is_summary_current
from reports.board.session_tail import SessionTail
from storage.files.safe_names import safe_name
from storage.files.utf8_text import clean_text
from storage.records.tallies import Tally
from storage.session.progress_file import (
    PROGRESS_NAME,
    Progress,
    ProgressCounts,
    read_progress,
)
from storage.session.session_condition import condition_of

_MOST_USD = 1e12
_LATEST = 32_503_680_000.0  # the year 3000: what lies beyond is no moment
_NO_PROGRESS = Progress(session_id="", status="in_progress", current_progress=ProgressCounts())


def entry_from_summary(folder: Path, answers: AnswersStamp) -> SessionEntry | None:
    """Return the entry of a session that nobody runs; None where its summary is out of date.

    answers: as they stand in the folder.
    Raises StoreError where the session cannot be read.
    """
    if not is_summary_current(folder, answers):
        return None
    rows = summary_rows(folder, answers.files)
    return None if rows is None else _entry(folder, read_facts(folder), rows, is_running=False)


def entry_from_answers(
    folder: Path, tail: SessionTail, *, is_running: bool, now: float
) -> SessionEntry:
    """Return the entry of a session as its answers stand; now: seconds since 1970.

    Raises StoreError where the session cannot be read.
    """
    tail.look()
    facts = read_facts(folder)
    metadata = facts.metadata
    models = [*metadata.models, *sorted({*tail.tallies} - {*metadata.models})]
    total = metadata.total_problems * metadata.samples
    rows = [_tail_row(model, tail, total) for model in models[:MOST_MODELS]]
    live = _live(folder, facts, tail, models[:MOST_MODELS], now) if is_running else None
    return _entry(folder, facts, rows, is_running=is_running, live=live)


def broken_entry(folder: Path, error: Exception) -> SessionEntry:
    """Return the entry of a session that cannot be read; it names no folder outside of it."""
    said = error.strerror or "cannot be read" if isinstance(error, OSError) else str(error)
    trouble = clean_text(said.replace(f"{folder.parent}/", ""))
    return SessionEntry(
        session=clean_text(folder.name), status="broken", trouble=shortened(trouble)
    )


def _entry(
    folder: Path,
    facts: Facts,
    rows: list[ModelRow],
    *,
    is_running: bool,
    live: Live | None = None,
) -> SessionEntry:
    metadata = facts.metadata
    scores = read_scores(folder)
    answered, failed = sum(row.answered for row in rows), sum(row.failed for row in rows)
    return SessionEntry(
        session=clean_text(folder.name),
        status=condition_of(
            answered=answered, failed=failed, tasks=metadata.total_tasks, is_running=is_running
        ),
        started=metadata.collection_start,
        dataset=facts.dataset,
        dataset_name=dataset_name(metadata),
        problems=metadata.total_problems,
        samples=metadata.samples,
        models=[_scored(row, scores) for row in rows],
        models_left_out=max(0, len(metadata.models) - MOST_MODELS),
        live=live,
        has_report=safe_name(folder.name) == folder.name,
    )


def _scored(row: ModelRow, scores: dict[str, Score]) -> ModelRow:
    """Answers that were judged since the last evaluation was summed up have no rate yet."""
    score = scores.get(row.label)
    is_of_these = score is not None and row.judged in (0, score.judged)
    return with_score(row, score) if is_of_these else row


def _tail_row(model: str, tail: SessionTail, total: int) -> ModelRow:
    tally = tail.tallies.get(model, Tally())
    verdicts = tail.verdicts.get(model, Counter())
    return ModelRow(
        label=shortened(clean_text(model)),
        total=total,
        answered=tally.answered,
        failed=tally.failed,
        valid_percent=tally.valid_percent,
        cost_usd=tally.cost_usd,
        unpriced=tally.unpriced,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        seconds=tally.average_seconds,
        judged=verdicts[True] + verdicts[False],
        passed=verdicts[True],
        not_run=verdicts[None],
    )


def _live(folder: Path, facts: Facts, tail: SessionTail, models: list[str], now: float) -> Live:
    refuse_huge(folder / PROGRESS_NAME)
    progress = read_progress(folder) or _NO_PROGRESS
    return Live(
        answers_per_minute={
            shortened(clean_text(model)): tail.answers_per_minute(model, now) for model in models
        },
        in_flight=progress.in_flight,
        spent_usd=progress.spent_usd,
        most_usd=_within(facts.metadata.session_parameters.get("max_cost_usd"), _MOST_USD),
        ends=_within(progress.current_progress.estimated_completion, _LATEST),
        active_seconds=progress.active_seconds,
        answers=list(tail.answers),
        failures=list(tail.failures),
    )


def _within(value: object, most: float) -> float | None:
    """Return a figure of a file that anybody may have written, None where it makes no sense."""
    if not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return float(value)
