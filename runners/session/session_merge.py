"""Several sessions in, one new session out: nothing is sent, and the parts stay as they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.clock import Clock
from config.errors import ConfigError
from evaluation.evaluation_log import EvaluationLog
from evaluation.score_files import write_scores
from evaluation.scores import pairs, scores
from reports.report import write_report_or_warn
from storage.merging.contested import contested_tasks
from storage.merging.merged_answers import MergedAnswers
from storage.merging.merged_state import (
    merge_batches,
    merge_limits,
    merge_money,
    merge_self_tests,
)
from storage.merging.new_folder import new_session_folder, refuse_taken
from storage.merging.part import Part, read_part
from storage.merging.same_work import merged_metadata, refuse_other_work
from storage.progress_tracker import ProgressTracker
from storage.session.manifest import SessionMetadata, SessionStatus, write_manifest
from storage.session.progress_file import read_progress
from storage.solution_store import SolutionStore
from storage.views.verdicts import has_verdicts, read_score_summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge made.

    answers: part -> how many of its own it had. aside: answers that another part's came before.
    unread: a line a file with lines that cannot be read, which stayed in their part alone.
    """

    answers: Mapping[Path, int]
    aside: int
    unread: Sequence[str]


def merge_sessions(folders: Sequence[Path], into: Path, clock: Clock) -> Merged:
    """Return what became of these sessions once the new one's folder is whole, and on the disk.

    Raises ConfigError where they asked different things, or one has to be resumed first;
    StoreError where one is being written or cannot be read, or the new one cannot be written.
    """
    refuse_taken(into)
    places = [folder.resolve() for folder in folders]
    if len(set(places)) < len(places):
        raise ConfigError("a session is named twice")
    parts = [read_part(folder) for folder in folders]
    refuse_other_work(parts)
    metadata = merged_metadata(parts, into.parent)
    with new_session_folder(into) as building:
        aside = _write_truth(building, parts, metadata)
        for part in parts:
            part.check_at_rest()
        merged = Merged(
            answers={part.folder: _count(part) for part in parts},
            aside=aside,
            unread=list(_unread(parts)),
        )
        _write_scores(building, _bad_problems(parts))
        parts.clear()  # what they were scanned for: the new session is scanned next
        _write_views(building, clock)
    return merged


def _write_truth(building: Path, parts: Sequence[Part], metadata: SessionMetadata) -> int:
    """Write what is not derived; return how many answers were kept aside."""
    answers = MergedAnswers(building, parts, contested_tasks(parts))
    for place in range(len(parts)):
        answers.take(place)
    merge_self_tests(building, parts)
    merge_batches(building, parts)
    merge_money(building, building.name, parts, answers.copies_usd)
    merge_limits(building, parts)
    write_manifest(building, building.name, metadata)
    return answers.aside


def _write_views(building: Path, clock: Clock) -> None:
    """Write what is derived, as the end of a run does."""
    store = SolutionStore(building.parent, building.name, clock=clock)
    metadata = store.metadata
    assert metadata is not None, "the manifest was written before"
    tracker = ProgressTracker(
        building,
        session_id=store.session_id,
        start_time=metadata.collection_start,
        total_tasks=metadata.total_tasks,
        models=metadata.models,
        categories=metadata.categories,
        clock=clock,
    )
    earlier = read_progress(building)
    tracker.restore(store)
    status = _status(tracker)
    store.finish(status)
    if status == "in_progress":
        tracker.in_flight = earlier.in_flight if earlier else 0
        tracker.save()
    else:
        tracker.finish(status)
    write_report_or_warn(store)


def _status(tracker: ProgressTracker) -> SessionStatus:
    counts = tracker.progress()
    if counts.completed_tasks < counts.total_tasks:
        return "in_progress"
    return "completed" if counts.successful_tasks else "failed"


def _write_scores(building: Path, bad_problems: Mapping[str, str]) -> None:
    """Write what the verdicts come to, where there are any."""
    if not has_verdicts(building):
        return
    log = EvaluationLog(building)
    log.open()
    found = scores(log.known.items())
    write_scores(log, found, pairs(found), bad_problems)


def _bad_problems(parts: Sequence[Part]) -> dict[str, str]:
    summaries = [read_score_summary(part.folder) for part in parts]
    return {
        task: why for summary in summaries if summary for task, why in summary.bad_problems.items()
    }


def _count(part: Part) -> int:
    return sum(tally.answered for tally in part.scan.index.tallies.values())


def _unread(parts: Sequence[Part]) -> Iterator[str]:
    """Yield, for people, which files have lines that could not be taken along."""
    for part in parts:
        for damage in part.scan.damages:
            if lines := len(damage.unreadable) + damage.torn:
                yield f"{damage.path}: {lines} lines cannot be read and stay there"
