"""What goes on beside the work, every so often: the disk, the exports, the display, the widths."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path

from config.clock import Clock
from config.errors import StoreError
from runners.answers.answer_keeper import AnswerKeeper
from runners.calls.budget import Budget
from runners.lanes.lane_widths import LaneWidths
from runners.parallel_executor import ParallelExecutor
from runners.progress.lane_progress import LaneWatch
from runners.progress.progress_display import ProgressDisplay
from runners.rate_limiter import AdaptiveRateLimiter
from storage.progress_tracker import ProgressTracker
from storage.session.rate_limits_file import write_rate_limits
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")

_TICK_SECONDS = 0.5  # answers are on the disk, and shown, at most this much later
_LEARNED_SECONDS = 30.0

Step = Callable[[], Coroutine[None, None, object]]


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
        self._missed: set[Path] = set()
        self._expects_calls = False

    def loops(
        self,
        keeper: AnswerKeeper,
        watch: LaneWatch,
        looks: Sequence[Callable[[], None]],
        widths: LaneWidths,
        executor: ParallelExecutor,
        break_off: Callable[[StoreError], None],
    ) -> list[Coroutine[None, None, None]]:
        """Return what is to run beside the work, each without end.

        looks: what is to look after the calls every half second.
        break_off: is told what could not be written; answers that are out may still come.
        """
        steps: list[tuple[float, Step]] = [
            (_TICK_SECONDS, self._save),
            (_TICK_SECONDS, partial(self._export, keeper)),
            (_LEARNED_SECONDS, partial(asyncio.to_thread, self._save_learned)),
        ]
        if widths.is_auto:
            steps.append((_TICK_SECONDS, partial(self._widen, widths, executor)))
        writing = [self._repeat(seconds, step, break_off) for seconds, step in steps]
        return [*writing, self._keep_shown(watch), self._keep_watch(looks)]

    async def expect_calls(self, at_most: int) -> None:
        """Put the number of calls that may be under way on the disk before it is reached."""
        # Also none: without progress.json a resume would have to assume some.
        grows = at_most > self._tracker.in_flight or not self._expects_calls
        self._tracker.in_flight, self._expects_calls = at_most, True
        if grows:
            await asyncio.to_thread(self._tracker.save)

    def close(self, watch: LaneWatch) -> None:
        """Note what was spent and learned, and show the last state."""
        progress = watch.progress()
        self._tracker.spent_usd = self._budget.spent_usd
        self._tracker.seconds_left = progress.whole.seconds_left
        with contextlib.suppress(StoreError):  # what stands there is more, not less
            self._budget.close_ledger()
        with contextlib.suppress(StoreError):  # the next run learns it again
            self._save_learned()
        with contextlib.suppress(OSError):
            self._display.close(progress)

    async def _repeat(
        self, seconds: float, step: Step, break_off: Callable[[StoreError], None]
    ) -> None:
        while True:
            await self._clock.sleep(seconds)
            try:
                await step()
            except StoreError as error:
                break_off(error)

    async def _save(self) -> None:
        self._tracker.spent_usd = self._budget.spent_usd + self._budget.reserved_usd
        await self._budget.write_ahead()
        await asyncio.to_thread(self._store.sync)
        await asyncio.to_thread(self._miss_files)
        await asyncio.to_thread(self._tracker.save_if_due)

    def _miss_files(self) -> None:
        """Say at once what somebody deletes; at the end its answers are counted as undone."""
        for path in self._store.shrunk_files():
            if path not in self._missed:
                self._missed.add(path)
                logger.warning("%s: answers that were written are gone; the run goes on", path)

    async def _export(self, keeper: AnswerKeeper) -> None:
        """Apart from the above: a long export must not keep answers from the disk."""
        if keeper.batch_is_full() and await asyncio.to_thread(self._store.checkpoint_if_due):
            keeper.start_batch()

    async def _keep_shown(self, watch: LaneWatch) -> None:
        while True:
            progress = watch.progress()
            self._tracker.seconds_left = progress.whole.seconds_left
            self._tracker.note_batches(watch.batch_rows_done())
            # Whoever watched may be gone, the terminal with them: the work goes on.
            with contextlib.suppress(OSError):
                self._display.show(progress)
            await self._clock.sleep(_TICK_SECONDS)

    async def _keep_watch(self, looks: Sequence[Callable[[], None]]) -> None:
        while True:
            for look in looks:
                look()
            await self._clock.sleep(_TICK_SECONDS)

    async def _widen(self, widths: LaneWidths, executor: ParallelExecutor) -> None:
        wanted = widths.wanted()
        await self.expect_calls(widths.calls_at_most(wanted))
        for lane in widths.set(wanted):
            executor.fill(lane)

    def _save_learned(self) -> None:
        if learned := self._limiter.snapshot():
            write_rate_limits(self._store.path, learned)
