"""Batches, self-tests, money and what was learned of rate limits, of several sessions in one."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from storage.files.durability import replace_file
from storage.files.jsonl_file import read_lines
from storage.files.line_log import LineLog
from storage.files.regular_file import open_to_append, open_to_read, refuse_link
from storage.merging.part import Part
from storage.records.batch_files import BatchFiles
from storage.records.batch_ledger import LEDGER_NAME, BatchLedger
from storage.session.manifest import decode_or_none
from storage.session.progress_file import PROGRESS_NAME, Progress, ProgressCounts
from storage.session.rate_limits_file import merge_rate_limits
from storage.session.session_folder import BATCHES_FOLDER, EVALUATION_FOLDER
from storage.session.spending_file import Spending, write_spending

_SELF_TEST = Path(EVALUATION_FOLDER) / "self_test.jsonl"


def merge_batches(folder: Path, parts: Sequence[Part]) -> None:
    """Write the steps of all batches, none of which is open, and what was sent and came back."""
    lines = LineLog(folder)
    known: set[str] = set()
    for part in parts:
        refuse_link(part.folder / BATCHES_FOLDER)
        new = {batch.token for batch in BatchLedger(part.folder)} - known
        for line in read_lines(part.folder / LEDGER_NAME):
            step = decode_or_none(line.content, _Token)
            if step and step.token in new:  # a copied session has the same ones
                lines.append(folder / LEDGER_NAME, line.content + b"\n")
        for token in sorted(new):
            theirs, ours = BatchFiles(part.folder), BatchFiles(folder)
            _copy(theirs.lines_of(token), ours.lines_of(token))
            _copy(theirs.results_of(token), ours.results_of(token))
        known |= new


def merge_self_tests(folder: Path, parts: Sequence[Part]) -> None:
    """Write what the self-tests of problems found."""
    lines = LineLog(folder)
    for part in parts:
        refuse_link(part.folder / EVALUATION_FOLDER)
        for line in read_lines(part.folder / _SELF_TEST):
            if decode_or_none(line.content, dict):
                (folder / EVALUATION_FOLDER).mkdir(exist_ok=True)
                lines.append(folder / _SELF_TEST, line.content + b"\n")


def merge_money(folder: Path, session_id: str, parts: Sequence[Part], copies_usd: float) -> None:
    """Write what the parts cost together, and what calls of killed runs may have.

    copies_usd: what was counted in more than one part.
    """
    total_usd = sum(max(part.spending.committed_usd, part.answers_usd) for part in parts)
    spending = Spending(
        committed_usd=max(0.0, total_usd - copies_usd),
        held_usd={name: usd for part in parts for name, usd in part.spending.held_usd.items()},
    )
    write_spending(folder, spending)
    progress = Progress(
        session_id=session_id,
        status="in_progress",
        current_progress=ProgressCounts(),
        in_flight=sum(part.progress.in_flight for part in parts if part.progress),
        active_seconds=sum(part.progress.active_seconds for part in parts if part.progress),
        spent_usd=spending.committed_usd,
    )
    replace_file(folder / PROGRESS_NAME, msgspec.json.encode(progress))


def merge_limits(folder: Path, parts: Sequence[Part]) -> None:
    """Write what the parts learned of rate limits, of each key the latest."""
    merge_rate_limits(folder, [part.folder for part in parts])


class _Token(msgspec.Struct):
    token: str


def _copy(source: Path, target: Path) -> None:
    try:
        reading = open_to_read(source)
    except FileNotFoundError:
        return
    target.parent.mkdir(exist_ok=True)
    with reading, open_to_append(target) as writing:
        shutil.copyfileobj(reading, writing)
