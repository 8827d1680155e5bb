"""What is shown while a session runs: bars on a terminal, else lines; JSON for programs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Never, Protocol, TextIO

import msgspec
from tqdm import tqdm

from config.collection_settings import ProgressForm

logger = logging.getLogger("collector.progress")

LINE_INTERVAL_SECONDS = 10.0
JSON_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneProgress:
    """One model's state. Counts are of tasks, tokens of answers kept so far.

    answers_per_minute: since this run of the session began.
    seconds_left: an estimate that includes a wait for a rate limit, None where there is none yet.
    waiting_because: why the lane stands still, "" where it does not.
    """

    label: str
    total: int
    answered: int
    failed: int
    answers_per_minute: float
    tokens: int
    cost_usd: float
    seconds_left: float | None
    waiting_because: str = ""

    @property
    def done(self) -> int:
        return self.answered + self.failed

    @property
    def line(self) -> str:
        """What is said beside the bar."""
        said = (
            f"answered {self.answered}, failed {self.failed}, {self.answers_per_minute:.0f}/min, "
            f"{self.tokens:,} tokens, {self.cost_usd:.4f} USD"
        )
        if self.seconds_left:
            said += f", {timedelta(seconds=round(self.seconds_left))} left"
        return f"{said}, {self.waiting_because}" if self.waiting_because else said


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """The whole run's state; elapsed_seconds since this run of the session began."""

    lanes: Sequence[LaneProgress]
    elapsed_seconds: float

    @property
    def whole(self) -> LaneProgress:
        """All lanes as one; it ends when the last lane does."""
        left = [lane.seconds_left for lane in self.lanes if lane.done < lane.total]
        known = [seconds for seconds in left if seconds is not None]
        return LaneProgress(
            label="all",
            total=sum(lane.total for lane in self.lanes),
            answered=sum(lane.answered for lane in self.lanes),
            failed=sum(lane.failed for lane in self.lanes),
            answers_per_minute=sum(lane.answers_per_minute for lane in self.lanes),
            tokens=sum(lane.tokens for lane in self.lanes),
            cost_usd=sum(lane.cost_usd for lane in self.lanes),
            seconds_left=max(known, default=None) if len(known) == len(left) else None,
        )


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
