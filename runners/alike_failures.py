"""Tells when a lane's first tasks all failed in one way: then its other tasks would fail too."""

import re

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
_WORD_WITH_A_DIGIT = re.compile(r"\S*\d\S*")


class AlikeFailures:
    """The failed tasks of a lane that has had no answer; tasks: how many the lane has."""

    def __init__(self, tasks: int) -> None:
        self._enough = max(_TOO_FEW_TASKS, min(_ENOUGH_TASKS, tasks))
        self._kind = ""
        self._count = 0

    def note(self, error: ModelError, model: BaseModel) -> AllAlike | None:
        """Return why the lane is to close, None while its next tasks may fare better."""
        kind = f"{type(error).__name__} {error.status} {_WORD_WITH_A_DIGIT.sub('#', str(error))}"
        self._count = self._count + 1 if kind == self._kind else 1
        self._kind = kind
        if self._count < self._enough or isinstance(error, _PASSING):
            return None
        return AllAlike(_advice(error, model, self._count), status=error.status)


def _advice(error: ModelError, model: BaseModel, tasks: int) -> str:
    if isinstance(error, Unreachable):
        variable = model.config.base_url_env
        check = (
            f"is the server running, and is that its address ({variable})?"
            if model.config.provider == "local"
            else f"check the network, the proxy and {variable}"
        )
        return f"nobody answers at {model.base_url}: {check} ({error})"
    return (
        f"its first {tasks} tasks failed alike: {error} (mend that, or leave the model out; "
        "a resume asks the other tasks first)"
    )
