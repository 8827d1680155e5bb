"""Judgements on disk: <session>/evaluation/<model>/<category>.jsonl, a line each, append only.

The last line of an answer wins; a torn last line is set aside as in the answers' files.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import TypeVar

import msgspec

from config.errors import StoreError
from evaluation.judgement import Judgement, Reason, Verdict
from evaluation.self_test import SelfTestRecord
from storage.files.durability import replace_file, write_error
from storage.files.jsonl_file import cut_torn_tail, read_lines, set_aside
from storage.files.line_log import LineLog
from storage.files.regular_file import make_folders, refuse_link
from storage.files.utf8_text import clean_value
from storage.records.part_names import in_order
from storage.session.session_folder import EVALUATION_FOLDER

SELF_TEST_NAME = "self_test.jsonl"
_T = TypeVar("_T")


class EvaluationRecord(Judgement, frozen=True, kw_only=True):
    """One judged answer.

    solution_sha, tests_sha, policy: what the verdict rests on. isolation: what was in force.
    timestamp: seconds since 1970.
    """

    task_id: str
    model: str
    category: str
    sample: int
    solution_sha: str
    tests_sha: str
    policy: str
    isolation: str
    python: str
    timestamp: float


@dataclass(frozen=True, slots=True)
class Basis:
    """What a verdict rests on: nothing of it changed, nothing to judge again."""

    solution_sha: str
    tests_sha: str
    policy: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a judged answer without holding its record."""

    basis: Basis
    verdict: Verdict
    reason: Reason
    passed_tests: int
    total_tests: int
    category: str


Key = tuple[str, str, int]  # model, task_id, sample


class EvaluationLog:
    """A session's judgements; hold the lock of `folder` while appending.

    folder: <session>/evaluation, which is made where it is missing.
    """

    def __init__(self, session: Path) -> None:
        self.folder = session / EVALUATION_FOLDER
        self.known: dict[Key, Known] = {}
        self.self_tests: dict[str, SelfTestRecord] = {}
        self._places: dict[Basis, tuple[Path, int]] = {}
        self._lines = LineLog(self.folder)
        refuse_link(self.folder)
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(self.folder, error) from error

    def open(self) -> list[str]:
        """Return, for people, what was damaged and is set aside, once all that is kept is read.

        Call it with the lock held, before the first append: it changes files.
        """
        said: list[str] = []
        self_test_path = self.folder / SELF_TEST_NAME
        for _, self_test in _read(self_test_path, SelfTestRecord, said):
            self.self_tests[self_test.key] = self_test
        paths = self.folder.glob("*/*.jsonl")
        for path in sorted(paths, key=lambda path: (path.parent, in_order(path))):
            refuse_link(path.parent)
            for offset, record in _read(path, EvaluationRecord, said):
                self._note(record, path, offset)
        return said

    def append(self, record: EvaluationRecord, place: Path) -> None:
        """Return once the record's line is with the operating system; StoreError where it is not.

        place: of the answer's file in the session; the judgement's file has the same names.
        """
        path = self.folder / place.parent.name / place.name
        try:
            make_folders(self.folder, path.parent)
        except OSError as error:
            raise write_error(path.parent, error) from error
        offset = self._lines.append(path, _encode(record))
        self._note(record, path, offset)

    def append_self_test(self, record: SelfTestRecord) -> None:
        """Keep what a problem's self-test found."""
        path = self.folder / SELF_TEST_NAME
        self._lines.append(path, _encode(record))
        self.self_tests[record.key] = record

    def same_judgement(self, basis: Basis) -> EvaluationRecord | None:
        """Return a record that rests on the same, None where there is none or it was not run."""
        place = self._places.get(basis)
        if place is None:
            return None
        line = next(read_lines(*place), None)
        if line is None:
            return None
        with contextlib.suppress(msgspec.MsgspecError, ValueError):
            return msgspec.json.decode(line.content, type=EvaluationRecord)
        return None

    def sync(self) -> None:
        """Return once everything appended before the call is on the disk."""
        self._lines.sync()

    def write_json(self, name: str, value: Mapping[str, object]) -> None:
        """Write a derived file of the folder."""
        encoded = msgspec.json.format(msgspec.json.encode(clean_value(value)), indent=2)
        replace_file(self.folder / name, encoded + b"\n", durable=False)

    def _note(self, record: EvaluationRecord, path: Path, offset: int) -> None:
        # A session names few tests, policies, models and categories, each many times.
        basis = Basis(record.solution_sha, intern(record.tests_sha), intern(record.policy))
        self.known[intern(record.model), intern(record.task_id), record.sample] = Known(
            basis,
            record.verdict,
            record.reason,
            record.passed_tests,
            record.total_tests,
            intern(record.category),
        )
        if record.verdict != "not_run" and record.attempts:
            self._places[basis] = (path, offset)


def _encode(record: EvaluationRecord | SelfTestRecord) -> bytes:
    try:
        return msgspec.json.encode(record) + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, from a solution's text
        return msgspec.json.encode(clean_value(msgspec.to_builtins(record))) + b"\n"


def _read(path: Path, kind: type[_T], said: list[str]) -> Iterator[tuple[int, _T]]:
    """Yield the records of a file with their offsets; say what was damaged and is set aside."""
    decoder = msgspec.json.Decoder(kind)
    try:
        if path.exists() and path.stat().st_size and cut_torn_tail(path):
            said.append(f"{path.name}: a half line at the end was cut off and kept as .damaged")
        unreadable = [line.offset for line in read_lines(path) if not _reads(decoder, line.content)]
        if unreadable:
            set_aside(path, unreadable)
            said.append(f"{path.name}: {len(unreadable)} unreadable lines are kept as .damaged")
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    for line in read_lines(path):
        if line.content:
            yield line.offset, decoder.decode(line.content)


def _reads(decoder: msgspec.json.Decoder[_T], content: bytes) -> bool:
    try:
        return not content or decoder.decode(content) is not None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
