"""A lane's batches that are open, for the display: makes nothing happen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class OpenBatch:
    """One batch as it was last seen. Moments are wall seconds.

    done: rows that the provider calls done, None where it does not say.
    ends_at: when it is given up at the latest. trouble: why nothing newer is known, if so.
    """

    rows: int
    created_at: float
    ends_at: float
    state: str = ""
    done: int | None = None
    trouble: str = ""


@dataclass(slots=True)
class OpenBatches:
    """token -> batch; total_rows and done_rows are of those that are open now."""

    open: dict[str, OpenBatch] = field(default_factory=dict)
    in_doubt: int = 0

    def __bool__(self) -> bool:
        return bool(self.open or self.in_doubt)

    @property
    def rows(self) -> int:
        return sum(batch.rows for batch in self.open.values())

    @property
    def done(self) -> int:
        """Rows that are done, as far as providers say."""
        return sum(batch.done or 0 for batch in self.open.values())

    def words(self, now: float) -> str:
        """Return how they stand, "" where there are none; now in wall seconds."""
        return ", ".join(self._parts(now))

    def _parts(self, now: float) -> Iterator[str]:
        batches = list(self.open.values())
        if batches:
            count = "1 batch" if len(batches) == 1 else f"{len(batches)} batches"
            states = sorted({batch.state for batch in batches if batch.state})
            yield f"{count} {'/'.join(states)}" if states else count
            known = any(batch.done is not None for batch in batches)
            yield f"{self.done:,}/{self.rows:,} done" if known else f"{self.rows:,} requests"
            oldest = min(batches, key=lambda batch: batch.created_at)
            yield f"oldest {_age(now - oldest.created_at)}"
            yield f"at most until {moment(max(batch.ends_at for batch in batches), now)}"
            yield from sorted({batch.trouble for batch in batches if batch.trouble})
        if self.in_doubt:
            doubted = "a batch" if self.in_doubt == 1 else f"{self.in_doubt} batches"
            yield f"looking for {doubted} whose creation had no reply"


def moment(at: float, now: float) -> str:
    """Return a moment as people say it: the time, with the date where it is another day."""
    then = datetime.fromtimestamp(at)
    is_today = then.date() == datetime.fromtimestamp(now).date()
    return f"{then:%H:%M}" if is_today else f"{then:%Y-%m-%d %H:%M}"


def _age(seconds: float) -> str:
    minutes = int(max(0.0, seconds)) // 60
    if minutes < 1:
        return f"{int(max(0.0, seconds))} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
