"""Tells when a lane's first tasks all failed in one way: then its other tasks would fail too."""

import math
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from config.errors import (
    AllAlike,
    ModelError,
    Overloaded,
    RateLimited,
    TimedOut,
    Unreachable,
)
from models.base_model import BaseModel

_ENOUGH_TASKS = 5
_TOO_FEW_TASKS = 2
_PASSING = (Overloaded, RateLimited, TimedOut)
# Request ids, numbers and addresses in memory differ in what is otherwise one refusal.
_WORD_WITH_A_DIGIT = re.compile(r"(?<!\S)[^\s\d]*+\d\S*+")


class AlikeFailures:
    """The failed tasks of a lane that has had no answer in this run.

    tasks: how many the lane has. answered_before: earlier runs of the session had answers, so
    that only an address where nobody is found any more speaks against the lane.
    """

    def __init__(self, tasks: int, *, answered_before: bool) -> None:
        self._enough = max(_TOO_FEW_TASKS, min(_ENOUGH_TASKS, tasks))
        self._answered_before = answered_before
        self._kind = ""
        self._count = 0
        self._enough_at = math.inf

    def note(self, error: ModelError, now: float) -> None:
        """Count one more failed task; now in monotonic seconds."""
        kind = f"{type(error).__name__} {error.status} {_WORD_WITH_A_DIGIT.sub('#', str(error))}"
        if kind != self._kind:
            self._kind, self._count, self._enough_at = kind, 0, math.inf
        self._count += 1
        if self._count == self._enough:
            self._enough_at = now

    def verdict(
        self,
        error: ModelError,
        model: BaseModel,
        calls_out_since: Iterable[float],
        *,
        others_answer: bool = False,
    ) -> AllAlike | None:
        """Return why the lane is to close, None while its other tasks may fare better.

        error: the last one. Calls that were out when there were enough failures are waited for:
        an answer takes longer than a refusal. others_answer: the same model with another key has
        had an answer in this run, so that earlier ones say nothing about this key.
        """
        is_in_doubt = others_answer or not self._answered_before
        speaks_against = isinstance(error, Unreachable) or is_in_doubt
        if isinstance(error, _PASSING) or not speaks_against or self._count < self._enough:
            return None
        if any(since <= self._enough_at for since in calls_out_since):
            return None
        return AllAlike(_advice(error, model, self._count), status=error.status)


def _advice(error: ModelError, model: BaseModel, tasks: int) -> str:
    if isinstance(error, Unreachable):
        variable = model.config.base_url_env
        # A query may hold a key.
        address = ", ".join(
            urlsplit(each.base_url)._replace(query="", fragment="").geturl()
            for each in model.at_each_address()
        )
        check = (
            f"is the server running, and is that its address ({variable})?"
            if model.config.provider == "local"
            else f"check the network, the proxy and {variable}"
        )
        return f"no connection to {address}: {check} ({error})"
    return (
        f"{tasks} tasks in a row failed alike, and none was answered: {error} (mend that, or leave "
        "the model out; a resume asks the other tasks first)"
    )
