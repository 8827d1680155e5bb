"""One judged answer with its evidence, read from its line when a problem's texts are packed."""

import msgspec

from evaluation.judgement import DecoyCount, FailedTest
from reports.page.judged import PlacedJudgement
from storage.files.jsonl_file import read_lines
from storage.records.solution_record import Count, Seconds
from storage.views.verdicts import JudgedAnswer

_MOST_CHARACTERS = 4000  # of one text: an evaluation keeps 1000


class JudgedDetail(JudgedAnswer, frozen=True):
    """What a problem's view shows of a verdict; figures are of the job that decided.

    output_tail: what the answer printed last. detail: what no test tells of the end.
    """

    failed_test: FailedTest | None = None
    decoys: DecoyCount | None = None
    wall_seconds: Seconds | None = None
    peak_memory_mb: Seconds | None = None
    attempts: Count | None = None
    output_tail: str = ""
    detail: str = ""


_DECODER = msgspec.json.Decoder(JudgedDetail)


def read_detail(placed: PlacedJudgement | None) -> JudgedDetail | JudgedAnswer | None:
    """Return a verdict with its evidence; without, where that cannot be read any more."""
    if placed is None:
        return None
    line = next(read_lines(placed.path, placed.offset), None)
    try:
        detail = _DECODER.decode(line.content) if line else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return placed.answer
    if detail is None or _key(detail) != _key(placed.answer):
        return placed.answer
    return _shortened(detail)


def _key(judged: JudgedAnswer) -> tuple[str, str, int, str]:
    return judged.model, judged.task_id, judged.sample, judged.verdict


def _shortened(detail: JudgedDetail) -> JudgedDetail:
    failed, decoys = detail.failed_test, detail.decoys
    return msgspec.structs.replace(
        detail,
        output_tail=detail.output_tail[-_MOST_CHARACTERS:],
        detail=detail.detail[:_MOST_CHARACTERS],
        failed_test=failed
        and msgspec.structs.replace(
            failed,
            test=failed.test[:_MOST_CHARACTERS],
            came=failed.came[:_MOST_CHARACTERS],
            expected=failed.expected[:_MOST_CHARACTERS],
            text=failed.text[:_MOST_CHARACTERS],
        ),
        decoys=decoys
        and msgspec.structs.replace(decoys, evidence=decoys.evidence[:_MOST_CHARACTERS]),
    )
