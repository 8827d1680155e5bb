"""The answers of several sessions in one: one a task and sample, line by line as they stand."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from storage.files.jsonl_file import read_lines
from storage.files.line_log import LineLog
from storage.files.regular_file import refuse_link
from storage.merging.contested import Contested
from storage.merging.part import Part
from storage.records.record_index import RecordIndex
from storage.records.record_json import decode_failure, solutions_in
from storage.records.session_scan import FAILURES_NAME, PENDING_NAME
from storage.records.solution_record import SolutionRecord, TaskKey
from storage.session.session_folder import EVALUATION_FOLDER
from storage.views.verdicts import decode_judged, judgement_file

ASIDE_NAME = "kept_aside.jsonl"  # answers to tasks that another session had answered before


class MergedAnswers:
    """Takes the parts one by one; no record is held.

    aside, copies_usd: how many answers were kept aside; what answers cost that are copies of ones
    that are kept, so that their money was counted before.
    """

    def __init__(self, folder: Path, parts: Sequence[Part], contested: Contested) -> None:
        self.aside = 0
        self.copies_usd = 0.0
        self._folder = folder
        self._parts = parts
        self._contested = contested
        self._index = RecordIndex(folder)
        self._lines = LineLog(folder)
        self._sizes: dict[Path, int] = {}  # of the files of answers
        self._waiting: set[tuple[str, TaskKey]] = set()

    def take(self, place: int) -> None:
        """Write what the part at that place has; raises StoreError where it cannot be read."""
        part = self._parts[place]
        for path in part.answer_files():
            self._take_answers(part, place, path)
        self._take_failures(part)
        self._take_waiting(part)
        for line in read_lines(part.folder / ASIDE_NAME):
            if line.content:
                self._put_aside(line.content)

    def _take_answers(self, part: Part, place: int, path: Path) -> None:
        targets: dict[tuple[str, TaskKey], Path] = {}
        judgements = judgement_file(path)
        refuse_link(part.folder / EVALUATION_FOLDER)
        refuse_link(judgements.parent)
        is_judged = os.path.lexists(judgements)
        for line, record in part.answers_in(path):
            if self._contested.is_kept(place, record):
                target = self._index.path_for(record.model, record.category, self._sizes)
                whole = line.content + b"\n"
                self._sizes[target] = self._lines.append(target, whole) + len(whole)
                if is_judged:
                    targets[record.model, record.key] = target
            elif self._contested.is_copy(record):
                self.copies_usd += record.cost_usd or 0.0
            else:
                self._put_aside(line.content)
        if targets:
            self._take_verdicts(judgements, targets)

    def _take_verdicts(self, path: Path, targets: Mapping[tuple[str, TaskKey], Path]) -> None:
        """Write the verdicts on the answers of one file that are kept; targets: where they are."""
        for line in read_lines(path):
            judged = decode_judged(line.content) if line.content else None
            if judged is None:
                continue
            answers = targets.get((judged.model, (judged.task_id, judged.sample)))
            if answers is not None:
                target = judgement_file(answers)
                target.parent.mkdir(parents=True, exist_ok=True)
                self._lines.append(target, line.content + b"\n")

    def _take_failures(self, part: Part) -> None:
        for line in read_lines(part.folder / FAILURES_NAME):
            if line.content and decode_failure(line.content):
                self._lines.append(self._folder / FAILURES_NAME, line.content + b"\n")

    def _take_waiting(self, part: Part) -> None:
        """Write the replies that wait for extraction; of a task that is answered they are aside."""
        for line, record in solutions_in(part.folder / PENDING_NAME):
            task = record.model, record.key
            if not part.scan.index.is_pending(*task):
                continue
            if task in self._waiting or self._is_answered(record):
                self._put_aside(line.content)
            else:
                self._waiting.add(task)
                self._lines.append(self._folder / PENDING_NAME, line.content + b"\n")

    def _is_answered(self, record: SolutionRecord) -> bool:
        return any(part.is_answered(record.model, record.key) for part in self._parts)

    def _put_aside(self, content: bytes) -> None:
        self._lines.append(self._folder / ASIDE_NAME, content + b"\n")
        self.aside += 1
