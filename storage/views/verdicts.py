"""What the evaluation of a session found, as far as other views show it; see evaluation/."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from storage.files.jsonl_file import read_lines
from storage.files.regular_file import is_regular, refuse_link
from storage.records.absurd_figures import without_absurd_figures
from storage.records.solution_record import Count, Sample, Seconds
from storage.session.session_folder import EVALUATION_FOLDER

_SUMMARY_NAME = "summary.json"
NO_ISOLATION = "none"  # an answer that ran with nothing between it and the machine
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class JudgedAnswer(msgspec.Struct, frozen=True):
    """One line of evaluation/<model>/<category>.jsonl; a later one of the same answer wins.

    cpu_seconds: of the job that decided. isolation: what kept the answer from the machine.
    Figures are None where they are not known.
    """

    task_id: str
    model: str
    sample: Sample
    verdict: str
    reason: str = ""
    passed_tests: Count | None = None
    total_tests: Count | None = None
    cpu_seconds: Seconds | None = None
    isolation: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether all tests passed; None where that is not known."""
        return None if self.verdict == "not_run" else self.verdict == "passed"


class RateSummary(msgspec.Struct, frozen=True):
    """A pass rate as it stands in the file."""

    rate: Share
    interval: tuple[Share, Share]


class ModelSummary(msgspec.Struct, frozen=True):
    """What is read back of one model; verdicts: how many of each."""

    judged: Count
    passed: Count
    pass_at_1: RateSummary | None = None
    pass_at_2: RateSummary | None = None
    pass_at_3: RateSummary | None = None
    pass_at_4: RateSummary | None = None
    pass_at_5: RateSummary | None = None
    pass_at_10: RateSummary | None = None
    verdicts: dict[str, Count] = {}


class PairSummary(msgspec.Struct, frozen=True):
    """What is read back of two models; difference: the first's rate less the second's."""

    first: str
    second: str
    difference: float
    p_value_holm: Share


class ScoreSummary(msgspec.Struct, frozen=True):
    """What is read back of the file; bad_problems: task_id -> why it judges nobody."""

    models: dict[str, ModelSummary]
    bad_problems: dict[str, str]
    pairs: list[PairSummary] = []


_DECODER = msgspec.json.Decoder(JudgedAnswer)


def judged_answers(answers: Path) -> Iterator[JudgedAnswer]:
    """Yield the judgements of a file of answers, <session>/<model>/<category>.jsonl, if any."""
    for _, judged in placed_judgements(answers):
        yield judged


def placed_judgements(answers: Path) -> Iterator[tuple[int, JudgedAnswer]]:
    """Yield the same, each after the offset of its line in judgement_file(answers)."""
    path = judgement_file(answers)
    refuse_link(path.parent)
    for line in read_lines(path):
        judged = decode_judged(line.content)
        if judged is not None:
            yield line.offset, judged


def judgement_file(answers: Path) -> Path:
    """Return where the judgements of a file of answers stand."""
    return answers.parent.parent / EVALUATION_FOLDER / answers.parent.name / answers.name


def decode_judged(content: bytes) -> JudgedAnswer | None:
    """Return the judgement of a line, without figures that nobody can have measured."""
    try:
        return _DECODER.decode(content)
    except msgspec.ValidationError:
        pass
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    try:
        mended = without_absurd_figures(msgspec.json.decode(content), JudgedAnswer)
        return msgspec.convert(mended, JudgedAnswer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


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


def has_verdicts(session: Path) -> bool:
    """Return whether any answer of a session is judged, an evaluation that goes on included."""
    return any((session / EVALUATION_FOLDER).glob("*/*.jsonl"))


def evaluation_summary(session: Path) -> dict[str, object] | None:
    """Return what the last evaluation came to, None where there was none or it cannot be read."""
    path = session / EVALUATION_FOLDER / _SUMMARY_NAME
    content = b"".join(line.raw for line in read_lines(path))
    try:
        return msgspec.json.decode(content, type=dict[str, object]) if content else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def read_score_summary(session: Path) -> ScoreSummary | None:
    """Return what the last evaluation of a session came to, None where that cannot be read."""
    try:
        return msgspec.convert(evaluation_summary(session), ScoreSummary | None)
    except msgspec.ValidationError:
        return None
