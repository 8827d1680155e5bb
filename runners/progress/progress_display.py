"""What is shown while a session runs: bars on a terminal, else lines; JSON for programs."""

import logging
from typing import Protocol, TextIO

import msgspec

from config.collection_settings import ProgressForm
from runners.progress.progress_bars import Bars
from runners.progress.run_progress import RunProgress

logger = logging.getLogger("collector.progress")

LINE_INTERVAL_SECONDS = 10.0
JSON_INTERVAL_SECONDS = 1.0


class ProgressDisplay(Protocol):
    """Shows a run's progress; called often, and once more at the end."""

    def show(self, progress: RunProgress) -> None:
        """Show this state now, or skip it where the last one is recent enough."""

    def close(self, progress: RunProgress) -> None:
        """Show the last state, whatever was shown before, and let go of the terminal."""


def make_display(form: ProgressForm, stream: TextIO) -> ProgressDisplay:
    """Return the display of a form; auto: bars on a terminal, lines anywhere else."""
    if form == "json":
        return JsonLines(stream)
    if form == "bars" or (form == "auto" and stream.isatty()):
        return Bars(stream)
    return Lines()


class Lines:
    """One line of the log every ten seconds."""

    def __init__(self) -> None:
        self._next_at = LINE_INTERVAL_SECONDS

    def show(self, progress: RunProgress) -> None:
        if progress.elapsed_seconds >= self._next_at:
            self._next_at = progress.elapsed_seconds + LINE_INTERVAL_SECONDS
            self.close(progress)

    def close(self, progress: RunProgress) -> None:
        whole = progress.whole
        waiting = [lane for lane in progress.lanes if lane.waiting_because]
        logger.info(
            "%d/%d tasks after %.0f s: %s%s",
            whole.done,
            whole.total,
            progress.elapsed_seconds,
            whole.line,
            "".join(f"; {lane.label}: {lane.waiting_because}" for lane in waiting),
        )


class JsonLines:
    """One JSON object a line, every second and at the end, for other programs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next_at = 0.0

    def show(self, progress: RunProgress) -> None:
        if progress.elapsed_seconds >= self._next_at:
            self._next_at = progress.elapsed_seconds + JSON_INTERVAL_SECONDS
            self.close(progress)

    def close(self, progress: RunProgress) -> None:
        line = {
            "elapsed_seconds": progress.elapsed_seconds,
            "whole": progress.whole,
            "models": progress.lanes,
        }
        self._stream.write(msgspec.json.encode(line).decode() + "\n")
        self._stream.flush()
