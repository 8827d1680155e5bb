"""One session's models in ranks, from its tallies and what its last evaluation wrote."""

from reports.latencies import latencies_of
from reports.outcomes import SessionOutcomes
from reports.ranking import RankedRow, entry_of, ranked_rows
from storage.records.tallies import Tally, total
from storage.solution_store import SolutionStore
from storage.views.summaries import by_model
from storage.views.verdicts import ScoreSummary, read_score_summary

_NO_SCORES = ScoreSummary({}, {})


def session_ranking(store: SolutionStore, outcomes: SessionOutcomes) -> list[RankedRow]:
    """Return the rows by rank; none has a rank before an evaluation has ended."""
    scores = read_score_summary(store.path) or _NO_SCORES
    kinds = by_model(store.tallies)
    entries = [
        entry_of(
            model,
            total(kinds[model].values()) if model in kinds else Tally(),
            latencies_of(outcomes, model),
            scores.models.get(model),
        )
        for model in outcomes.models
    ]
    return ranked_rows(entries, scores.pairs)
