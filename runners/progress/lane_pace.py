"""How fast one lane goes, and when it will be done."""

from runners.progress.recent_rate import RecentRate


class LanePace:
    """What a lane's counts said at each look, boiled down to two rates."""

    def __init__(self, now: float, *, answered: int) -> None:
        """now: monotonic seconds. answered: in earlier runs of the session."""
        self._looked_at = now
        self._answered = answered
        self._ended = 0
        self._answers = RecentRate()
        self._ends = RecentRate()  # of the time that no rate limit took

    def look(self, now: float, *, answered: int, ended: int, blocked: bool) -> None:
        """Note the counts at this moment; blocked: a rate limit holds the lane."""
        seconds = now - self._looked_at
        self._answers.note(answered - self._answered, seconds)
        ended_now = ended - self._ended
        # What ends during a block was sent before it, and took its time.
        self._ends.note(ended_now, 0.0 if blocked and not ended_now else seconds)
        self._looked_at, self._answered, self._ended = now, answered, ended

    @property
    def answers_per_minute(self) -> float:
        return 60 * self._answers.per_second

    def seconds_left(
        self, undone: int, *, blocked_seconds: float, limit_per_minute: float | None
    ) -> float | None:
        """Return when the undone tasks will have ended, None while nobody can know.

        It goes on as in the last minute, but no faster than the limit allows, once the wait for
        a rate limit is over.
        """
        if undone <= 0:
            return 0.0
        per_second = self._ends.per_second
        if limit_per_minute is not None:
            per_second = min(per_second, limit_per_minute / 60)
        return blocked_seconds + undone / per_second if per_second else None
