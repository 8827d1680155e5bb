"""A session's answers, failures and verdicts, followed while a run adds to them."""

from collections import Counter, deque
from pathlib import Path

from reports.board.entry import LastAnswer, LastFailure, shortened
from reports.board.line_tail import LineTail, Rewritten
from reports.outcome_work import verdict_of
from storage.files.regular_file import refuse_link
from storage.files.utf8_text import clean_text
from storage.records.record_json import decode_failure, decode_solution
from storage.records.session_scan import FAILURES_NAME, session_files
from storage.records.solution_record import SolutionRecord, TaskKey, task_name
from storage.records.tallies import Tally
from storage.session.session_folder import EVALUATION_FOLDER
from storage.views.verdicts import decode_judged

_LAST = 8  # answers and failures that are shown
_MOST_TEXT = 600
_PADDING = b"\xef\xbb\xbf\0 \t\r\n"
_MINUTE = 60.0
_MOST_MOMENTS = 20_000  # answers a minute that are counted

Task = tuple[str, TaskKey]  # model, (task_id, sample)
Verdicts = Counter[bool | None]  # passed, None for not run


class SessionTail:
    """Each look goes on where the last one ended; after damage was repaired it begins anew.

    tallies: model -> counts of its answers, and of tasks given up and not answered since.
    verdicts: model -> how many of its answers passed, failed and could not be run.
    answers, failures: the last ones, the newest first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begin()

    def _begin(self) -> None:
        self._lines = LineTail()
        self._files: set[Path] = set()
        self._answered: set[Task] = set()
        self._failed: set[Task] = set()
        self._moments: dict[str, deque[float]] = {}
        self.tallies: dict[str, Tally] = {}
        self.verdicts: dict[str, Verdicts] = {}
        self._judged: dict[Task, bool | None] = {}
        self.answers: deque[LastAnswer] = deque(maxlen=_LAST)
        self.failures: deque[LastFailure] = deque(maxlen=_LAST)

    def look(self) -> None:
        """Take in what is new; raises StoreError where a file cannot be read."""
        try:
            self._look()
        except Rewritten:
            self._begin()
            try:
                self._look()
            except Rewritten:  # and again meanwhile: the next look begins anew
                self._begin()

    def answers_per_minute(self, model: str, now: float) -> int:
        """Return how many answers came in the last minute; now: seconds since 1970."""
        return sum(now - _MINUTE < moment <= now for moment in self._moments.get(model, ()))

    def _look(self) -> None:
        files = [path for path in session_files(self._folder) if path.parent != self._folder]
        if not self._files <= set(files):
            raise Rewritten  # somebody deleted answers
        self._files = set(files)
        for path in files:
            for raw in self._lines.new_lines(path):
                self._add_answer(raw.strip(_PADDING))
        for raw in self._lines.new_lines(self._folder / FAILURES_NAME):
            self._add_failure(raw.strip(_PADDING))
        evaluation = self._folder / EVALUATION_FOLDER
        refuse_link(evaluation)
        for path in files:
            place = evaluation / path.parent.name
            refuse_link(place)
            for raw in self._lines.new_lines(place / path.name):
                self._add_verdict(raw.strip(_PADDING))

    def _add_answer(self, content: bytes) -> None:
        record = decode_solution(content) if content else None
        if record is None or not record.llm_call_success:
            return
        task = (record.model, record.key)
        if task in self._answered:
            return
        self._answered.add(task)
        tally = self.tallies.setdefault(record.model, Tally())
        tally.add(record)
        if task in self._failed:
            self._failed.remove(task)
            tally.failed -= 1
        moments = self._moments.setdefault(record.model, deque(maxlen=_MOST_MOMENTS))
        moments.append(record.timestamp)
        while moments[0] < record.timestamp - _MINUTE:
            moments.popleft()
        self._show(record)

    def _show(self, record: SolutionRecord) -> None:
        if len(self.answers) == _LAST and record.timestamp <= self.answers[-1].finished:
            return
        shown = LastAnswer(
            model=_name(record.model),
            task=_name(task_name(record.key)),
            finished=record.timestamp,
            seconds=record.execution_time,
            cost_usd=record.cost_usd,
            verdict=verdict_of(record),
            text=_text(record.extracted_solution or record.raw_response),
        )
        ordered = sorted([*self.answers, shown], key=lambda one: one.finished, reverse=True)
        self.answers = deque(ordered[:_LAST], maxlen=_LAST)

    def _add_failure(self, content: bytes) -> None:
        failure = decode_failure(content) if content else None
        if failure is None:
            return
        task = (failure.model, failure.key)
        if task not in self._answered and task not in self._failed:
            self._failed.add(task)
            self.tallies.setdefault(failure.model, Tally()).failed += 1
        shown = LastFailure(
            model=_name(failure.model),
            task=_name(task_name(failure.key)),
            finished=failure.timestamp,
            error=_name(failure.error),
            message=_text(failure.message),
        )
        self.failures.appendleft(shown)

    def _add_verdict(self, content: bytes) -> None:
        judged = decode_judged(content) if content else None
        if judged is None:
            return
        task = (judged.model, (judged.task_id, judged.sample))
        counts = self.verdicts.setdefault(judged.model, Counter())
        if task in self._judged:
            counts[self._judged[task]] -= 1
        self._judged[task] = judged.passed
        counts[judged.passed] += 1


def _name(text: str) -> str:
    return shortened(clean_text(text))


def _text(text: str) -> str:
    return shortened(clean_text(text), _MOST_TEXT)
