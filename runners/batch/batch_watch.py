"""Looks at one batch until it has ended, and fetches what it has to give."""

import logging
from dataclasses import replace

from config.errors import ModelError
from models.batch.batch_api import BatchStatus
from runners.batch.batch_route import BatchRoute
from runners.batch.batch_run import BatchRun
from runners.lanes.lane import Lane
from runners.lanes.open_batches import OpenBatch, moment
from storage.records import batch_steps as steps
from storage.records.batch_ledger import LedgerBatch

logger = logging.getLogger("collector")

# Of all rows together: a file of nothing but answers is far smaller than this.
_FILE_BYTES, _FILE_BYTES_A_ROW = 64_000_000, 256_000
_MOST_FILE_BYTES = 4_000_000_000
_LONGEST_STATE = 40  # characters of a provider's word


class BatchWatch:
    """One batch that the provider has."""

    def __init__(self, batch: LedgerBatch, lane: Lane, route: BatchRoute, run: BatchRun) -> None:
        self._batch = batch
        self._lane = lane
        self._route = route
        self._run = run
        self._seen = OpenBatch(
            rows=batch.rows,
            created_at=batch.created_at,
            ends_at=batch.created_at + route.limits.window_seconds,
        )

    async def end(self, *, only_once: bool) -> BatchStatus | None:
        """Return how the batch ended; None where only_once is set and it is still running.

        Raises LaneStopped; the batch runs on.
        """
        self._lane.batches.open[self._batch.token] = self._seen
        try:
            return await self._end(only_once=only_once)
        finally:
            del self._lane.batches.open[self._batch.token]

    async def fetch(self, status: BatchStatus) -> None:
        """Return once what the batch has to give is on the disk, however often that is tried.

        Raises LaneStopped, StoreError.
        """
        files, token, tries = self._run.files, self._batch.token, 0
        most_bytes = min(_FILE_BYTES + self._batch.rows * _FILE_BYTES_A_ROW, _MOST_FILE_BYTES)
        while not files.has_results(token):
            try:
                pieces = self._route.api.results(status)
                if not await files.keep_results(token, pieces, most_bytes):
                    logger.warning(
                        "%s: the results of batch %s are larger than %d MB: the rest is not read",
                        *(self._lane.label, status.batch_id, most_bytes / 1e6),
                    )
            except ModelError as error:
                logger.info("%s: results cannot be fetched now: %s", self._lane.label, error)
                await self._pause(tries, error)
                tries += 1

    async def _end(self, *, only_once: bool) -> BatchStatus | None:
        looks, ended_since = 0, None
        limits, clock = self._route.limits, self._run.clock
        await self._first_look()
        while True:
            status, error = await self._look()
            if status and status.phase != "running":
                ended_since = clock.monotonic() if ended_since is None else ended_since
                waited = clock.monotonic() - ended_since
                if not status.may_name_more or waited >= limits.no_file_seconds:
                    return status
            elif only_once:
                return None
            if clock.time() >= self._batch.created_at + limits.deadline_seconds:
                await self.cancel("it has run for longer than its provider's window")
            await self._pause(looks, error, (status and status.look_again_seconds) or 0.0)
            looks += 1

    async def cancel(self, why: str) -> None:
        """Ask the provider for the batch's end, once; it may take minutes."""
        batch = self._batch
        if batch.is_cancelling or batch.batch_id is None:
            return
        if not batch.is_proven:  # it may be somebody else's
            logger.info(
                "%s: batch %s is not cancelled: only its rows will tell if it is ours",
                *(batch.model, batch.batch_id),
            )
            return
        try:
            await self._route.api.cancel(batch.batch_id)
        except ModelError as error:
            logger.warning("%s: batch %s: not cancelled: %s", batch.model, batch.batch_id, error)
            return
        await self._run.note(
            steps.Cancelling(token=batch.token, at=self._run.clock.time(), why=why)
        )
        logger.info("%s: batch %s is being cancelled: %s", batch.model, batch.batch_id, why)

    async def _first_look(self) -> None:
        """Wait until a batch that was just created may have ended."""
        age = self._run.clock.time() - self._batch.created_at
        wait = self._route.limits.first_look_seconds - max(0.0, age)
        if wait > 0:
            await self._run.sleep(wait)

    async def _look(self) -> tuple[BatchStatus | None, ModelError | None]:
        """Return how it stands, or why nobody knows."""
        assert self._batch.batch_id is not None, "an open batch has a name"
        try:
            status = await self._route.api.poll(self._batch.batch_id)
        except ModelError as error:
            if not self._seen.trouble:
                now = self._run.clock.time()
                self._seen.trouble = f"not reachable since {moment(now, now)}"
                logger.warning(
                    "%s: batch %s cannot be asked about: %s; it goes on all the same",
                    *(self._lane.label, self._batch.batch_id, error),
                )
            return None, error
        status = replace(status, state=status.state[:_LONGEST_STATE])
        self._seen.trouble, self._seen.state = "", status.state
        if status.done is not None:  # counts turn back, rows do not
            self._seen.done = max(self._seen.done or 0, min(status.done, self._seen.rows))
        return status, None

    async def _pause(self, number: int, error: ModelError | None, least: float = 0.0) -> None:
        limits = self._route.limits
        hints = [signal.retry_after_seconds or 0.0 for signal in error.signals] if error else []
        pause = self._run.pause(number, limits.first_look_seconds, limits.longest_look_seconds)
        await self._run.sleep(max([pause, least, *hints]))
