"""Bars on a terminal, one for the whole and one a model: what does not fit is left out, last first.

gpt-4o       |████▏   | answered 123/240, failed 1, 0:02:10 left, 55 of 60/min, 3 in flight ...
grok-4.3     |██▊     | 84/240, failed 2, rate limit until 14:03:20, 0:05:02 left
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Never, TextIO

from tqdm import tqdm
from tqdm.utils import disp_len, disp_trim

from runners.progress.run_progress import LaneProgress, RunProgress
from runners.progress.terminal_text import printable

_FEWEST_CELLS = 8  # of a bar
_FRAME = len(" || ")
_SHORTEST_LABEL = 12
_SHORTEST_REASON = 24  # where less is left of a reason, the bar makes room for it
_UNLIMITED = 10_000  # columns of what is no terminal


class Bars:
    """One bar for the whole and one a model."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bars: dict[str, tqdm[Never]] = {}

    def show(self, progress: RunProgress) -> None:
        lanes = progress.lanes
        everything = [progress.whole, *lanes] if len(lanes) > 1 else lanes
        longest = max((disp_len(lane.label) for lane in everything), default=0)
        so_far = [f"{timedelta(seconds=int(progress.elapsed_seconds))} so far"]
        for lane in everything:
            bar = self._bars.get(lane.label) or self._open(lane)
            # The last column stays free: some terminals break the line after it.
            columns = (bar.format_dict["ncols"] or _UNLIMITED) - 1
            bar.bar_format = _row(lane, columns, longest, so_far)
            bar.n = lane.done
            bar.refresh()
            so_far = []  # once is enough

    def close(self, progress: RunProgress) -> None:
        self.show(progress)
        for bar in self._bars.values():
            bar.close()

    def _open(self, lane: LaneProgress) -> "tqdm[Never]":
        bar: tqdm[Never] = tqdm(
            total=lane.total,
            initial=lane.done,
            file=self._stream,
            position=len(self._bars),
            dynamic_ncols=True,
            bar_format="{bar}",
        )
        self._bars[lane.label] = bar
        return bar


def _row(lane: LaneProgress, columns: int, longest_label: int, more: Sequence[str]) -> str:
    """Return one row as tqdm's bar_format, no wider than the columns."""
    # Providers wrote parts of the reason.
    lane = replace(
        lane, waiting_because=printable(lane.waiting_because), refusal=printable(lane.refusal)
    )
    label = _label(printable(lane.label), min(longest_label, max(_SHORTEST_LABEL, columns // 6)))
    plain_room = columns - disp_len(label) - 1
    cells = max(_FEWEST_CELLS, columns // 15)
    room = plain_room - cells - _FRAME + 1
    texts = [(lane.counts, room), (lane.short_counts, room), (lane.short_counts, plain_room)]
    for counts, columns_left in texts:
        text = ", ".join([counts, *lane.outlook])
        if disp_len(text) <= columns_left:
            text = _filled_up(text, [*lane.details, *more], columns_left)
            break
    else:
        needed = disp_len(", ".join([lane.short_counts, *lane.outlook[1:]])) + _SHORTEST_REASON
        columns_left = room if needed <= room else plain_room
        text = _with_reason_cut(lane, columns_left)
    has_bar = columns_left < plain_room
    return (
        f"{_escaped(label)} |{{bar:{cells}}}| {_escaped(text)}"
        if has_bar
        else (f"{_escaped(label)} {_escaped(text)}")
    )


def _label(label: str, width: int) -> str:
    """Return a label of just this width: many differ at their ends alone, so the middle goes."""
    if disp_len(label) > width:
        tail = (width - 1) // 2
        label = f"{disp_trim(label, width - 1 - tail)}…{label[-tail:]}"
    return label + " " * (width - disp_len(label))


def _filled_up(text: str, more: Sequence[str], room: int) -> str:
    for part in more:
        longer = f"{text}, {part}"
        if disp_len(longer) > room:
            break
        text = longer
    return text


def _with_reason_cut(lane: LaneProgress, room: int) -> str:
    """Return counts, reason and time left, the reason as long as there is room."""
    reason, *left = lane.outlook or [""]
    others = disp_len(", ".join([lane.short_counts, "", *left]))
    shortened = disp_trim(reason, max(0, room - others - 1)) + "…"
    return disp_trim(", ".join([lane.short_counts, shortened, *left]), room)


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
