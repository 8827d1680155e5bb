"""What a run knows of the judging beside it, where there is any."""

from typing import Self


class Judging:
    """No judging at all; LiveJudging is the one that judges.

    was_stopped: stop() was called.
    """

    def __init__(self) -> None:
        self.was_stopped = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    @property
    def has_ended(self) -> bool:
        """Whether nothing is judged any more."""
        return True

    async def finish(self) -> None:
        """Return once every answer that is on disk is judged, or stop() was called."""

    def stop(self) -> None:
        """Have it end soon: what is not judged by now is left for later."""
        self.was_stopped = True
