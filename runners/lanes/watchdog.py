"""Says which calls are in flight for long, once each: nobody has to wonder what a run waits for."""

import logging
from collections.abc import Sequence

from config.clock import Clock
from runners.lanes.lane import CallOut, Lane

logger = logging.getLogger("collector")

LONG_OUT_SECONDS = 120.0
_LONG_OUT_AT_FLEX_SECONDS = 600.0  # where minutes are usual


class Watchdog:
    """Looks after the calls of some lanes; a call's deadline, not the watchdog, ends it."""

    def __init__(self, lanes: Sequence[Lane], clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        self._said: set[tuple[str, CallOut]] = set()

    def look(self) -> None:
        """Log every call that is in flight for long and was not spoken of before."""
        long_out = {
            (lane.label, call): lane.model.request_timeout_seconds
            for lane in self._lanes
            for call in lane.out_for(_long_out_seconds(lane))
        }
        for (label, call), timeout_seconds in long_out.items():
            if (label, call) not in self._said:
                logger.warning(
                    "%s, %s: still in flight after %.0f s; it is given up after %g s",
                    *(label, call.task_name, self._clock.monotonic() - call.since, timeout_seconds),
                )
        self._said = set(long_out)


def _long_out_seconds(lane: Lane) -> float:
    at_flex = lane.model.requested_tier == "flex"
    return _LONG_OUT_AT_FLEX_SECONDS if at_flex else LONG_OUT_SECONDS
