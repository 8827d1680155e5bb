"""What goes on beside the work, every so often: the disk, the exports, the display, the widths."""

import asyncio
import contextlib
from collections.abc import Coroutine

from config.clock import Clock
from runners.answer_keeper import AnswerKeeper
from runners.budget import Budget
from runners.lane_progress import LaneWatch
from runners.lane_widths import LaneWidths
from runners.parallel_executor import ParallelExecutor
from runners.progress_display import ProgressDisplay
from runners.rate_limiter import AdaptiveRateLimiter
from runners.watchdog import Watchdog
from storage.progress_tracker import ProgressTracker
from storage.rate_limits_file import write_rate_limits
from storage.solution_store import SolutionStore

_TICK_SECONDS = 0.5  # answers are on the disk, and shown, at most this much later
_LEARNED_SECONDS = 30.0


class Upkeep:
    """Keeps a run's files, display and lane widths up to date until it is cancelled."""

    def __init__(
        self,
        store: SolutionStore,
        tracker: ProgressTracker,
        limiter: AdaptiveRateLimiter,
        budget: Budget,
        display: ProgressDisplay,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tracker = tracker
        self._limiter = limiter
        self._budget = budget
        self._display = display
        self._clock = clock

    def loops(
        self,
        keeper: AnswerKeeper,
        watch: LaneWatch,
        watchdog: Watchdog,
        widths: LaneWidths,
        executor: ParallelExecutor,
    ) -> list[Coroutine[None, None, None]]:
        """Return what is to run beside the work, each without end."""
        loops = [
            self._keep_on_disk(),
            self._keep_exported(keeper),
            self._keep_shown(watch),
            self._keep_watch(watchdog),
            self._keep_learned(),
        ]
        return [*loops, self._keep_wide(widths, executor)] if widths.is_auto else loops

    async def expect_calls(self, at_most: int) -> None:
        """Put the number of calls that may be under way on the disk before it is reached."""
        grows = at_most > self._tracker.in_flight
        self._tracker.in_flight = at_most
        if grows:
            await asyncio.to_thread(self._tracker.save)

    def close(self, watch: LaneWatch) -> None:
        """Note what was spent and learned, and show the last state."""
        self._tracker.spent_usd = self._budget.spent_usd
        self._save_learned()
        with contextlib.suppress(OSError):
            self._display.close(watch.progress())

    async def _keep_on_disk(self) -> None:
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            self._tracker.spent_usd = self._budget.spent_usd + self._budget.reserved_usd
            await asyncio.to_thread(self._store.sync)
            await asyncio.to_thread(self._tracker.save_if_due)

    async def _keep_exported(self, keeper: AnswerKeeper) -> None:
        """Apart from the above: a long export must not keep answers from the disk."""
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            if keeper.batch_is_full():
                await asyncio.to_thread(self._store.checkpoint_if_due)

    async def _keep_shown(self, watch: LaneWatch) -> None:
        while True:
            # Whoever watched may be gone, the terminal with them: the work goes on.
            with contextlib.suppress(OSError):
                self._display.show(watch.progress())
            await self._clock.sleep(_TICK_SECONDS)

    async def _keep_watch(self, watchdog: Watchdog) -> None:
        while True:
            watchdog.look()
            await self._clock.sleep(_TICK_SECONDS)

    async def _keep_learned(self) -> None:
        while True:
            await self._clock.sleep(_LEARNED_SECONDS)
            await asyncio.to_thread(self._save_learned)

    async def _keep_wide(self, widths: LaneWidths, executor: ParallelExecutor) -> None:
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            wanted = widths.wanted()
            await self.expect_calls(widths.calls_at_most(wanted))
            for lane in widths.set(wanted):
                executor.fill(lane)

    def _save_learned(self) -> None:
        if learned := self._limiter.snapshot():
            write_rate_limits(self._store.path, learned)
