"""Counts of what was collected, kept as records pass by: no record is held for them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter

from storage.records.solution_record import GAVE_UP, SolutionRecord


@dataclass(slots=True)
class Tally:
    """Counts of some answers and failures.

    valid: parses and defines the expected name. parses: the syntax alone.
    refused: refused by the model or filtered by the provider. empty: nothing was extracted.
    unread: those of the empty whose reply could not be read within its bounds.
    unpriced: answers whose cost is not known, which cost_usd leaves out.
    batched: answers that came in a batch: no time is theirs alone, and execution_seconds leaves
        them out.
    """

    answered: int = 0
    failed: int = 0
    valid: int = 0
    parses: int = 0
    truncated: int = 0
    refused: int = 0
    empty: int = 0
    unread: int = 0
    execution_seconds: float = 0.0
    cost_usd: float = 0.0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    batched: int = 0

    @property
    def attempted(self) -> int:
        """Tasks that came to an end, well or not."""
        return self.answered + self.failed

    @property
    def answered_percent(self) -> float:
        return percent(self.answered, self.attempted)

    @property
    def valid_percent(self) -> float:
        return percent(self.valid, self.attempted)

    @property
    def syntax_percent(self) -> float:
        return percent(self.parses, self.attempted)

    @property
    def average_seconds(self) -> float:
        timed = self.answered - self.batched
        return round(self.execution_seconds / timed, 3) if timed else 0.0

    @property
    def is_possible(self) -> bool:
        """Whether all of it can be the counts and sums of answers."""
        return all(0 <= value < math.inf for value in _COUNTS(self))

    def add(self, record: SolutionRecord) -> None:
        """Count one answer; what a sidecar tells has another form once this counts otherwise."""
        self.answered += 1
        self.valid += is_valid(record)
        self.parses += _parses(record)
        self.truncated += record.finish_reason == "length"
        self.refused += record.finish_reason in ("refusal", "filtered")
        self.empty += not record.extracted_solution
        self.unread += is_unread(record)
        self.batched += record.batch is not None
        self.execution_seconds += record.latency or 0.0
        if record.cost_usd is None:
            self.unpriced += 1
        else:
            self.cost_usd += record.cost_usd
        if record.extraction is not None:
            self.cost_usd += record.extraction.cost_usd or 0.0
        if record.usage is not None:
            self.input_tokens += record.usage.input_tokens
            self.output_tokens += record.usage.output_tokens

    def join(self, other: "Tally") -> None:
        """Count what another tally counted."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


# dataclasses.astuple copies each number deeply, which the display would feel each second.
_COUNTS = attrgetter(*(field.name for field in fields(Tally)))


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of tallies."""
    columns = zip(*map(_COUNTS, tallies), strict=True)
    return Tally(*map(sum, columns))


def is_valid(record: SolutionRecord) -> bool:
    """Return whether the validation calls the code fully valid."""
    return record.validation.get("is_fully_valid") is True


def is_unread(record: SolutionRecord) -> bool:
    """Return whether the reply could not be read within its bounds, and is kept raw."""
    return record.extraction is not None and record.extraction.method == GAVE_UP


def percent(part: int, whole: int) -> float:
    """Return a share in percent, one digit after the point; 0 of nothing is 0."""
    return round(100.0 * part / whole, 1) if whole else 0.0


def _parses(record: SolutionRecord) -> bool:
    syntax = record.validation.get("syntax")
    return isinstance(syntax, Mapping) and syntax.get("is_valid") is True
