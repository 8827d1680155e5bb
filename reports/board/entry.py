"""One session as the board shows it: a row for each model, and more while it is running."""

from pathlib import Path
from typing import Literal

import msgspec

from storage.files.utf8_text import clean_text
from storage.session.manifest import SessionMetadata
from storage.session.session_condition import SessionCondition

MOST_CHARACTERS = 200  # of a name
MOST_MODELS = 200  # of one session
RANKED_SHARE = 0.95  # of a model's tasks that must have a verdict before it gets a rank


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model of one session.

    total: its tasks. valid_percent: of those attempted. cost_usd leaves out `unpriced` answers.
    seconds: of an answer's last attempt, on average. judged: answers with a verdict; not_run:
    those that could have none. rate, low, high: pass@1 and its interval, None without one.
    """

    label: str
    total: int
    answered: int
    failed: int
    valid_percent: float
    cost_usd: float
    unpriced: int
    input_tokens: int
    output_tokens: int
    seconds: float
    judged: int = 0
    passed: int = 0
    not_run: int = 0
    rate: float | None = None
    low: float | None = None
    high: float | None = None


class LastAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that has just come in; text: the beginning of its code, or of its reply."""

    model: str
    task: str
    finished: float
    seconds: float
    cost_usd: float | None
    verdict: str
    text: str


class LastFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was given up."""

    model: str
    task: str
    finished: float
    error: str
    message: str


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a session only while it is running.

    answers_per_minute: model -> answers of the last minute. in_flight: calls, by progress.json.
    spent_usd: the worst case, calls in flight included. most_usd: the cap, None without one.
    ends: when the run expects to be done, in seconds since 1970.
    """

    answers_per_minute: dict[str, int]
    in_flight: int
    spent_usd: float
    most_usd: float | None
    ends: float | None
    active_seconds: float
    answers: list[LastAnswer]
    failures: list[LastFailure]


class SessionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One session.

    session: its folder's name. dataset: one hash over all problems, None where it is not known;
    only sessions with the same one can be compared. trouble: why it cannot be read, else "".
    has_report: a report can be made of it.
    """

    session: str
    status: SessionCondition | Literal["broken"]
    trouble: str = ""
    started: float | None = None
    dataset: str | None = None
    dataset_name: str = ""
    problems: int = 0
    samples: int = 1
    models: list[ModelRow] = msgspec.field(default_factory=list)
    models_left_out: int = 0
    live: Live | None = None
    has_report: bool = False


def dataset_name(metadata: SessionMetadata | None) -> str:
    """Return what people call the problems of a session, "" where that is not known.

    It is the name of their folder; the rest of its path is nobody else's business.
    """
    path = metadata.session_parameters.get("dataset_path") if metadata else None
    return shortened(clean_text(Path(path).name)) if isinstance(path, str) else ""


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text of at most so many characters, with an ellipsis where it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
