"""What one lane was refused for its rate (429): for how long, and in which words."""

from dataclasses import dataclass

from config.clock import Clock
from config.errors import ModelError, RateLimited


class GivenUp(Exception):
    """The lane was refused for too long; its tasks are not waited for any more.

    error: the refusal after which that was so.
    """

    def __init__(self, error: RateLimited) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class Refusals:
    """The refusals since a call of the lane last came to anything else.

    last: the latest, None where the last call that came back was not refused.
    given_up: the one after which the lane's tasks were given up, None where they were not.
    """

    clock: Clock
    last: RateLimited | None = None
    given_up: RateLimited | None = None
    _since: float = 0.0

    def note(self, error: ModelError | None, sent_at: float) -> None:
        """Note what a call came to, None for an answer; sent_at in monotonic seconds."""
        if not isinstance(error, RateLimited):
            self.last = self.given_up = None
            return
        if self.last is None:
            self._since = sent_at
        self.last = error

    @property
    def seconds(self) -> float:
        """For how long nothing but refusals came, 0 where the last call was not refused."""
        return 0.0 if self.last is None else self.clock.monotonic() - self._since
