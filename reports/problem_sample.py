"""Which problems stand for all in the report of a session that has too many for one page."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest

from storage.solution_store import SolutionStore

MOST_PROBLEMS = 20_000  # in one page: a browser holds it in 500 MB
SAMPLED_PROBLEMS = 2_000  # of more than these


@dataclass(frozen=True, slots=True)
class ProblemSample:
    """The task ids that were drawn, and out of how many.

    Drawn are those whose ids have the least SHA-256: the same ones each time, whatever became of
    them, and in every session that asks the same problems.
    """

    task_ids: frozenset[str]
    total: int

    @property
    def sentence(self) -> str:
        """What a reader has to know."""
        return (
            f"This page shows a sample: {len(self.task_ids):,} of {self.total:,} problems, drawn "
            "by the SHA-256 of their task ids (the least ones), whatever the models made of them. "
            "Answers, valid, failed, tokens, costs, median and 95th percentile, and ranks are "
            "those of the whole session, and so is the share that is valid by category. All else "
            "is the sample's: retries, tests, charts and the table. The .jsonl files have it all."
        )


def problem_sample(
    store: SolutionStore, most: int = MOST_PROBLEMS, size: int = SAMPLED_PROBLEMS
) -> ProblemSample | None:
    """Return which problems to show, None for all: where no more than `most` were attempted."""
    attempted = set(_attempted(store))
    if len(attempted) <= most:
        return None
    return ProblemSample(frozenset(nsmallest(size, attempted, key=_digest)), len(attempted))


def _attempted(store: SolutionStore) -> Iterator[str]:
    for model in store.answered_counts():
        yield from (task_id for task_id, _ in store.answered(model))
        yield from (task_id for task_id, _ in store.failed_tasks.get(model, ()))


def _digest(task_id: str) -> bytes:
    return hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).digest()
