"""Asks an LLM for the code in a reply, through the same gate and retries as any call."""

import logging

from config.errors import LaneClosed
from models.base_model import Completion
from prompts.prompt_template import Prompt
from runners.calls.reliable_call import GaveUp, ReliableCaller
from runners.lanes.lane import Lane, LaneStopped

logger = logging.getLogger("collector")


class ExtractionAsk:
    """Asks the extraction lane about one reply, and adds up the cost.

    cost_usd: of all questions so far, None once one of them has no known price.
    """

    def __init__(self, caller: ReliableCaller, lane: Lane, task_name: str) -> None:
        self.cost_usd: float | None = 0.0
        self._caller = caller
        self._lane = lane
        self._task_name = task_name

    @property
    def model_label(self) -> str:
        return self._lane.label

    async def __call__(self, prompt: Prompt) -> Completion:
        """Return the LLM's reply; raises a ModelError where there is none."""
        if self._lane.closed_by:
            raise self._lane.closed_by
        try:
            outcome = await self._caller.call(
                self._lane, prompt, f"extraction of {self._task_name}"
            )
        except LaneClosed as error:
            if self._lane.closed_by is None:
                logger.warning("no LLM reads replies any more, only rules do: %s", error)
            self._lane.close(error)
            raise
        except LaneStopped:
            if self._lane.closed_by:  # by another question, while this one waited
                raise self._lane.closed_by from None
            raise
        if isinstance(outcome, GaveUp):
            logger.warning("extraction of %s: %s", self._task_name, outcome.error)
            raise outcome.error
        if self.cost_usd is not None:
            cost_usd = outcome.cost_usd
            self.cost_usd = None if cost_usd is None else self.cost_usd + cost_usd
        return outcome.completion
