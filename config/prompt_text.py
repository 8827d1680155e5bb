"""The words that a run wraps around every problem."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptText:
    """A prompt as its author wrote it; user holds named fields, as prompts/texts/README.md says.

    name: that of the file it came from, for people.
    """

    name: str
    user: str
    system: str


def prompt_of(session_parameters: Mapping[str, object]) -> PromptText | None:
    """Return the prompt that a session's parameters name, None for the default's."""
    try:
        return msgspec.convert(session_parameters.get("prompt"), PromptText | None)
    except msgspec.ValidationError:
        return None
