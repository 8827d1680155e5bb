"""Which model is right, how sure that is and what it costs: models in ranks; pure.

A rank is one more than the number of models that are significantly better, as Chatbot Arena has it
(arXiv 2403.04132): models that no test tells apart share one.
"""

from collections.abc import Container, Iterable, Mapping, Sequence

import msgspec

from reports.latencies import Latencies
from storage.records.tallies import Tally
from storage.views.verdicts import ModelSummary, PairSummary, RateSummary

SURE = 0.05


class Rate(msgspec.Struct, frozen=True):
    """pass@k with its 95 % interval, as shares of 1."""

    k: int
    rate: float
    low: float
    high: float


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One model's figures.

    key: what names it among all that are ranked together; label: what people read.
    rates: pass@1 first, [] where nothing was judged. passed, judged, valid, attempted: answers.
    cost_per_problem: US dollars for one answer to each, None where any price is not known.
    """

    key: str
    label: str
    rates: list[Rate] = []
    passed: int = 0
    judged: int = 0
    not_run: int = 0
    valid: int = 0
    attempted: int = 0
    cost_per_problem: float | None = None
    median_seconds: float | None = None
    p95_seconds: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def pass_at_1(self) -> float | None:
        return self.rates[0].rate if self.rates else None


class RankedRow(Entry, frozen=True, kw_only=True):
    """One model with its place among the others.

    rank: None where nothing was judged. level_with: keys of those that no test tells it from.
    cost_per_solved: US dollars until an answer passes. is_on_front: no other model is as often
    right for less, or more often right for as much.
    """

    rank: int | None
    level_with: list[str]
    cost_per_solved: float | None
    is_on_front: bool


def entry_of(
    label: str,
    tally: Tally,
    latencies: Latencies,
    score: ModelSummary | None,
    *,
    key: str | None = None,
) -> Entry:
    """Return a model's figures from what is kept of its answers and of their evaluation."""
    is_priced = tally.answered > 0 and tally.unpriced == 0
    return Entry(
        key=label if key is None else key,
        label=label,
        rates=_rates(score) if score else [],
        passed=score.passed if score else 0,
        judged=score.judged if score else 0,
        not_run=score.verdicts.get("not_run", 0) if score else 0,
        valid=tally.valid,
        attempted=tally.attempted,
        cost_per_problem=tally.cost_usd / tally.answered if is_priced else None,
        median_seconds=latencies.median,
        p95_seconds=latencies.p95,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
    )


def ranked_rows(entries: Sequence[Entry], pairs: Iterable[PairSummary]) -> list[RankedRow]:
    """Return the entries by rank and pass@1, the best first; those without a verdict come last.

    pairs: what paired tests found, by the entries' keys. Two entries that are in no pair were not
    compared, and count as level.
    """
    better: dict[str, set[str]] = {entry.key: set() for entry in entries}
    for pair in pairs:
        if pair.p_value_holm < SURE and pair.first in better and pair.second in better:
            winner, loser = pair.first, pair.second
            if pair.difference < 0:
                winner, loser = loser, winner
            better[loser].add(winner)
    front = _front(entries)
    return sorted((_row(entry, entries, better, front) for entry in entries), key=_place)


def _row(
    entry: Entry,
    entries: Sequence[Entry],
    better: Mapping[str, set[str]],
    front: Container[tuple[float | None, float | None]],
) -> RankedRow:
    rate, cost = entry.pass_at_1, entry.cost_per_problem
    level_with = [
        other.key
        for other in entries
        if other is not entry
        and other.rates
        and other.key not in better[entry.key]
        and entry.key not in better[other.key]
    ]
    return RankedRow(
        **msgspec.structs.asdict(entry),
        rank=None if rate is None else 1 + len(better[entry.key]),
        level_with=level_with if entry.rates else [],
        cost_per_solved=cost / rate if cost is not None and rate else None,
        is_on_front=(cost, rate) in front,
    )


def _front(entries: Iterable[Entry]) -> set[tuple[float, float]]:
    """Return (cost, pass@1) of the Pareto front: more right than all that cost no more."""
    known = [
        (entry.cost_per_problem, entry.pass_at_1)
        for entry in entries
        if entry.cost_per_problem is not None and entry.pass_at_1 is not None
    ]
    front: set[tuple[float, float]] = set()
    best = -1.0
    for cost, rate in sorted(known, key=lambda point: (point[0], -point[1])):
        if rate > best:
            front.add((cost, rate))
            best = rate
    return front


def _place(row: RankedRow) -> tuple[bool, int, float, str]:
    return row.rank is None, row.rank or 0, -(row.pass_at_1 or 0.0), row.label


def _rates(score: ModelSummary) -> list[Rate]:
    if score.pass_at_1 is None:
        return []
    found: list[tuple[int, RateSummary | None]] = [
        (1, score.pass_at_1),
        (2, score.pass_at_2),
        (3, score.pass_at_3),
        (4, score.pass_at_4),
        (5, score.pass_at_5),
        (10, score.pass_at_10),
    ]
    return [Rate(k, summary.rate, *summary.interval) for k, summary in found if summary]
