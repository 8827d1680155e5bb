"""What the terminal shows while a session runs: bars, or plain lines where there is none."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Never, Protocol, TextIO

from tqdm import tqdm

logger = logging.getLogger("collector.progress")

LINE_INTERVAL_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneProgress:
    """One model's state: counts of tasks, answers a minute so far, and why it waits, if so."""

    label: str
    total: int
    answered: int
    failed: int
    answers_per_minute: float
    waiting_because: str = ""

    @property
    def done(self) -> int:
        return self.answered + self.failed

    @property
    def line(self) -> str:
        """What is said beside the bar."""
        said = f"answered {self.answered}, failed {self.failed}, {self.answers_per_minute:.0f}/min"
        return f"{said}, {self.waiting_because}" if self.waiting_because else said


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """The whole run's state; elapsed_seconds since this run of the session began."""

    lanes: Sequence[LaneProgress]
    elapsed_seconds: float

    @property
    def whole(self) -> LaneProgress:
        """All lanes as one."""
        return LaneProgress(
            label="all",
            total=sum(lane.total for lane in self.lanes),
            answered=sum(lane.answered for lane in self.lanes),
            failed=sum(lane.failed for lane in self.lanes),
            answers_per_minute=sum(lane.answers_per_minute for lane in self.lanes),
        )


class ProgressDisplay(Protocol):
    """Shows a run's progress; called often, and once more at the end."""

    def show(self, progress: RunProgress) -> None:
        """Show this state now, or skip it where the last one is recent enough."""

    def close(self, progress: RunProgress) -> None:
        """Show the last state, whatever was shown before, and let go of the terminal."""


def make_display(stream: TextIO) -> ProgressDisplay:
    """Return bars for a terminal, lines for anything else."""
    return Bars(stream) if stream.isatty() else Lines()


class Bars:
    """One bar for the whole and one a model."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bars: dict[str, tqdm[Never]] = {}

    def show(self, progress: RunProgress) -> None:
        lanes = progress.lanes
        everything = [progress.whole, *lanes] if len(lanes) > 1 else lanes
        width = max((len(lane.label) for lane in everything), default=0)
        for lane in everything:
            bar = self._bars.get(lane.label) or self._open(lane, width)
            bar.n = lane.done
            bar.set_postfix_str(lane.line, refresh=False)
            bar.refresh()

    def close(self, progress: RunProgress) -> None:
        self.show(progress)
        for bar in self._bars.values():
            bar.close()

    def _open(self, lane: LaneProgress, label_width: int) -> "tqdm[Never]":
        bar = tqdm(
            total=lane.total,
            initial=lane.done,
            desc=lane.label.ljust(label_width),
            file=self._stream,
            position=len(self._bars),
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
        )
        self._bars[lane.label] = bar
        return bar


class Lines:
    """One line of the log now and then."""

    def __init__(self) -> None:
        self._next_at = LINE_INTERVAL_SECONDS

    def show(self, progress: RunProgress) -> None:
        if progress.elapsed_seconds >= self._next_at:
            self._next_at = progress.elapsed_seconds + LINE_INTERVAL_SECONDS
            self._log(progress)

    def close(self, progress: RunProgress) -> None:
        self._log(progress)

    def _log(self, progress: RunProgress) -> None:
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
