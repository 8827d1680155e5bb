"""Who takes the code out of replies, in words for people: rules alone, or which model too."""

from collections.abc import Mapping
from typing import Literal

ExtractionMode = Literal["auto", "agentic", "regex"]


def reading_words(mode: str, model: str | None) -> str:
    """Return how replies are read, in a sentence; model: its name, None for rules alone."""
    if model is None or mode == "regex":
        return "Replies are read by rules alone: no model is asked for code"
    if mode == "agentic":
        return f"Replies are read by {model} wherever they are more than clean code"
    return f"Replies are read by rules, and by {model} where these find no code"


def recorded_reading(parameters: Mapping[str, object]) -> str:
    """Return the same for a session's parameters, "" where it kept no word of the model."""
    if "extraction_model" not in parameters:
        return ""
    model = parameters["extraction_model"]
    return reading_words(str(parameters.get("extraction")), str(model) if model else None)
