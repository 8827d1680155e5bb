"""From where calls leave: this process, unless hosts of a cluster make them."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol, Self

from models.base_model import BaseModel, Completion
from prompts.prompt_template import Prompt


class Sender(AbstractAsyncContextManager["Sender"], Protocol):
    """Makes single calls: when they may leave, and how often, is decided before."""

    async def ready(self, model: BaseModel) -> None:
        """Return once a call of this model could leave at once.

        Raises LaneClosed where none ever will.
        """

    async def send(self, model: BaseModel, prompt: Prompt) -> Completion:
        """Return the reply to one attempt; raises a ModelError, as BaseModel.complete does."""


class SendFromHere:
    """Calls leave from this process."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to do: models close their own connections."""

    async def ready(self, model: BaseModel) -> None:
        """Return at once."""

    async def send(self, model: BaseModel, prompt: Prompt) -> Completion:
        """Return the reply to one attempt."""
        return await model.complete(prompt)


SEND_FROM_HERE = SendFromHere()
