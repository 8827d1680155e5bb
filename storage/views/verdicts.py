"""What the evaluation of a session found, as far as other views show it; see evaluation/."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from storage.files.jsonl_file import read_lines
from storage.files.regular_file import is_regular, refuse_link
from storage.session.session_folder import EVALUATION_FOLDER

_SUMMARY_NAME = "summary.json"
NO_ISOLATION = "none"  # an answer that ran with nothing between it and the machine


class JudgedAnswer(msgspec.Struct, frozen=True):
    """One line of evaluation/<model>/<category>.jsonl; a later one of the same answer wins.

    cpu_seconds: of the job that decided. isolation: what kept the answer from the machine.
    """

    task_id: str
    model: str
    sample: int
    verdict: str
    reason: str = ""
    passed_tests: int = 0
    total_tests: int = 0
    cpu_seconds: float = 0.0
    isolation: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether all tests passed; None where that is not known."""
        return None if self.verdict == "not_run" else self.verdict == "passed"


_DECODER = msgspec.json.Decoder(JudgedAnswer)


def judged_answers(answers: Path) -> Iterator[JudgedAnswer]:
    """Yield the judgements of a file of answers, <session>/<model>/<category>.jsonl, if any."""
    folder = answers.parent.parent / EVALUATION_FOLDER / answers.parent.name
    refuse_link(folder)
    for line in read_lines(folder / answers.name):
        try:
            yield _DECODER.decode(line.content)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue


def last_judgements(answers: Iterable[Path]) -> dict[tuple[str, str, int], JudgedAnswer]:
    """Return (model, task_id, sample) -> what was said of it last, over these files of answers."""
    return {
        (judged.model, judged.task_id, judged.sample): judged
        for path in answers
        for judged in judged_answers(path)
    }


def is_evaluated(session: Path) -> bool:
    """Return whether answers of a session were judged."""
    return is_regular(session / EVALUATION_FOLDER / _SUMMARY_NAME)


def evaluation_summary(session: Path) -> dict[str, object] | None:
    """Return what the last evaluation came to, None where there was none or it cannot be read."""
    path = session / EVALUATION_FOLDER / _SUMMARY_NAME
    content = b"".join(line.raw for line in read_lines(path))
    try:
        return msgspec.json.decode(content, type=dict[str, object]) if content else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
