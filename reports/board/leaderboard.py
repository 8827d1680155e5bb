"""The board of a few sessions as one file to publish; those of other problems are ranked apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import get_args

import msgspec

from config.clock import Clock, SystemClock
from evaluation.evaluation_log import Basis, Key, Known
from evaluation.judgement import Verdict
from evaluation.score_summary import score_summary
from evaluation.scores import pairs, scores
from reports.board.entry import RANKED_SHARE, dataset_name
from reports.latencies import latencies_of
from reports.outcomes import SessionOutcomes, read_outcomes
from reports.page.shell import CHARTS, Shell, data_block
from reports.ranking import Entry, RankedRow, entry_of, ranked_rows
from storage.files.durability import replace_file
from storage.files.utf8_text import clean_text
from storage.records.tallies import Tally, total
from storage.session.manifest import dataset_hash
from storage.session.session_folder import check_out
from storage.solution_store import SolutionStore
from storage.views.summaries import by_model
from storage.views.verdicts import ScoreSummary, last_judgements

LEADERBOARD = Shell(
    body="leaderboard.html",
    scripts=("elements.js", "charts.js", "ranking.js", "scatter.js", "leaderboard.js"),
    libraries=(CHARTS,),
)
_NO_BASIS = Basis("", "", "")  # the scores do not depend on it
_VERDICTS = get_args(Verdict)


class LeaderRow(RankedRow, frozen=True, kw_only=True):
    """One model of one session; total: its tasks. started: seconds since 1970."""

    session: str
    started: float
    total: int


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that can be compared, the best first; hash: over all problems, "" where not known."""

    name: str
    hash: str
    problems: int
    rows: list[LeaderRow]


class Leaderboard(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows; written: seconds since 1970."""

    written: float
    sessions: int
    datasets: list[Dataset]


@dataclass(frozen=True, slots=True)
class _Source:
    """One session, read; place: among those of its dataset."""

    store: SolutionStore
    outcomes: SessionOutcomes
    place: int

    def key(self, model: str) -> str:
        """Return what names a row of the board; it tells nothing of where the session stands."""
        return f"{self.place}/{model}"


def write_leaderboard(
    stores: Sequence[SolutionStore], target: Path, *, clock: Clock | None = None
) -> int:
    """Write the page and return how many models of sessions it ranks or lists.

    Raises ConfigError where the target is among a session's own files; StoreError where a record
    cannot be read or the page cannot be written.
    """
    check_out(target)
    groups: dict[str, list[SolutionStore]] = {}
    for store in stores:
        groups.setdefault(_hash(store) or f"session {store.path}", []).append(store)
    board = Leaderboard(
        written=(clock or SystemClock()).time(),
        sessions=len(stores),
        datasets=[_dataset(group) for group in groups.values()],
    )
    data = msgspec.json.encode(board).decode("utf-8")
    parts = (LEADERBOARD.start("Leaderboard"), data_block("leaderboard", data), LEADERBOARD.end())
    replace_file(target, (part.encode("utf-8") for part in parts), durable=False)
    return sum(len(dataset.rows) for dataset in board.datasets)


def _dataset(stores: Sequence[SolutionStore]) -> Dataset:
    sources = [_Source(store, read_outcomes(store), place) for place, store in enumerate(stores)]
    found = scores(judged for source in sources for judged in _judged(source))
    summed = msgspec.convert(score_summary(found, pairs(found), {}), ScoreSummary)
    entries = [(entry, source) for source in sources for entry in _entries(source, summed)]
    stores_by_key = {entry.key: source.store for entry, source in entries}
    rows = ranked_rows([entry for entry, _ in entries], summed.pairs)
    finished = [_row(row, stores_by_key[row.key]) for row in rows]
    first = stores[0]
    return Dataset(
        name=dataset_name(first.metadata),
        hash=_hash(first) or "",
        problems=first.metadata.total_problems if first.metadata else 0,
        rows=sorted(finished, key=lambda row: row.rank is None),
    )


def _judged(source: _Source) -> Iterator[tuple[Key, Known]]:
    """Yield the verdicts on answers that are there, under the keys of their rows."""
    store = source.store
    for model in source.outcomes.models:
        answered = store.answered(model)
        judgements = last_judgements(chain.from_iterable(store.answer_files(model)))
        for (label, task_id, sample), judged in judgements.items():
            if label == model and judged.verdict in _VERDICTS and (task_id, sample) in answered:
                verdict: Verdict = judged.verdict  # type: ignore[assignment]
                tests = (judged.passed_tests or 0, judged.total_tests or 0)
                yield (
                    (source.key(model), task_id, sample),
                    Known(_NO_BASIS, verdict, "", *tests, ""),
                )


def _entries(source: _Source, summed: ScoreSummary) -> Iterator[Entry]:
    kinds = by_model(source.store.tallies)
    for model in source.outcomes.models:
        key = source.key(model)
        yield entry_of(
            model,
            total(kinds[model].values()) if model in kinds else Tally(),
            latencies_of(source.outcomes, model),
            summed.models.get(key),
            key=key,
        )


def _row(row: RankedRow, store: SolutionStore) -> LeaderRow:
    """A model that was judged on part of its tasks has a rate, but no rank."""
    metadata = store.metadata
    tasks = metadata.total_problems * metadata.samples if metadata else row.attempted
    is_whole = row.judged + row.not_run >= RANKED_SHARE * tasks
    return LeaderRow(
        **(msgspec.structs.asdict(row) | {"rank": row.rank if is_whole else None}),
        session=clean_text(store.session_id),
        started=metadata.collection_start if metadata else 0.0,
        total=tasks,
    )


def _hash(store: SolutionStore) -> str | None:
    dataset = store.metadata.dataset if store.metadata else None
    return dataset_hash(dataset) if dataset is not None else None
