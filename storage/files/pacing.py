"""How often derived files are written: seldom enough to cost a small share of the time."""

from config.clock import Clock


class Pacer:
    """Says when the next write is due, from how long the last one took.

    share: of all time that writing may take. The pause between two writes is never shorter than
    min_seconds and never longer than max_seconds.
    """

    def __init__(
        self, clock: Clock, *, share: float, min_seconds: float, max_seconds: float
    ) -> None:
        self._clock = clock
        self._share = share
        self._min_seconds = min_seconds
        self._max_seconds = max_seconds
        self._started = self._ended = clock.monotonic()
        self._pause = 0.0

    def is_due(self, *, changed: bool) -> bool:
        """Return whether to write now; what has not changed waits for max_seconds."""
        pause = self._pause if changed else self._max_seconds
        return self._clock.monotonic() - self._ended >= pause

    def start(self) -> None:
        """Note that writing begins."""
        self._started = self._clock.monotonic()

    def end(self) -> None:
        """Note that writing is over, well or not."""
        self._ended = self._clock.monotonic()
        rest = (self._ended - self._started) * (1 / self._share - 1)
        self._pause = min(max(rest, self._min_seconds), self._max_seconds)
