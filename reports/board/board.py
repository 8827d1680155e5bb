"""Every session of a folder, read again only where something changed; it never writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from config.clock import Clock
from config.errors import StoreError
from reports.board.entry import SessionEntry
from reports.board.session_listing import (
    AnswersStamp,
    Stamp,
    answers_stamp,
    list_folders,
    stamp_of,
)
from reports.board.session_reading import broken_entry, entry_from_answers, entry_from_summary
from reports.board.session_tail import SessionTail
from storage.session.session_lock import is_locked

# Files that anybody may have written hold figures and texts that nobody expected.
UNREADABLE = (StoreError, OSError, ValueError, ArithmeticError, RecursionError)
_SECONDS_A_LOOK = 0.5  # for sessions whose answers have to be read through
_CHECKED_A_LOOK = 5  # sessions that are read again without a sign of a change


@dataclass(frozen=True, slots=True)
class Shown:
    """One session as JSON, its folder and name, and the look that found it changed."""

    folder: Path
    session: str
    json: bytes
    changed_at: int
    is_running: bool


@dataclass(frozen=True, slots=True)
class BoardState:
    """All sessions after one look; nothing in it changes.

    number: of the look. listed_at: of the look that last found a session added or gone.
    is_whole: every session was read. note: for people, about what is not listed.
    """

    number: int = 0
    listed_at: int = 0
    is_whole: bool = False
    note: str = ""
    sessions: Mapping[str, Shown] = field(default_factory=dict)

    def has_changed(self, since: int) -> bool:
        """Return whether anything differs from the look with that number."""
        return self.listed_at > since or any(
            shown.changed_at > since for shown in self.sessions.values()
        )

    @property
    def has_running(self) -> bool:
        return any(shown.is_running for shown in self.sessions.values())


@dataclass(slots=True)
class _Known:
    """How a session was when it was read; tail: of its answers, while it is running."""

    stamp: Stamp | None = None
    answers: AnswersStamp | None = None
    is_running: bool = False
    tail: SessionTail | None = None


class Board:
    """Looks at a folder of sessions; call look() from one thread at a time."""

    def __init__(self, output_dir: Path, clock: Clock) -> None:
        self._output_dir = output_dir
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._number = 0
        self.state = BoardState()

    def look(self) -> BoardState:
        """Return how the sessions stand now; what cannot be read is on the board as broken."""
        self._number += 1
        before = self.state
        listing = list_folders(self._output_dir)
        self._known = {name: self._known.get(name, _Known()) for name in listing.folders}
        shown = {name: before.sessions[name] for name in self._known if name in before.sessions}
        self._forget_some()
        late = [
            folder for folder in listing.folders.values() if not self._read_quickly(folder, shown)
        ]
        is_whole = self._read_through(late, shown)
        is_same_list = shown.keys() == before.sessions.keys()
        self.state = BoardState(
            number=self._number,
            listed_at=before.listed_at if is_same_list else self._number,
            is_whole=is_whole,
            note=listing.note,
            sessions={name: shown[name] for name in self._known if name in shown},
        )
        return self.state

    def _forget_some(self) -> None:
        """Look into a few sessions whose answers somebody may have changed or deleted by hand."""
        names = list(self._known)
        first = self._number * _CHECKED_A_LOOK % max(1, len(names))
        for name in names[first : first + _CHECKED_A_LOOK]:
            known = self._known[name]
            if not known.is_running and known.answers != _answers_or_none(self._output_dir / name):
                known.stamp = None

    def _read_quickly(self, folder: Path, shown: dict[str, Shown]) -> bool:
        """Return False where the session's answers have to be read through."""
        known = self._known[folder.name]
        stamp = stamp_of(folder)
        is_running = stamp.may_be_locked and not folder.is_symlink() and is_locked(folder)
        if is_running or known.is_running:
            return False
        if stamp == known.stamp:
            return True
        try:
            answers = answers_stamp(folder)
            entry = entry_from_summary(folder, answers)
        except UNREADABLE as error:
            answers, entry = None, broken_entry(folder, error)
        if entry is None:
            return False
        known.stamp, known.answers = stamp, answers
        self._put(shown, folder, entry)
        return True

    def _read_through(self, folders: Iterable[Path], shown: dict[str, Shown]) -> bool:
        """Return False where some are left for the next look; those that are running go first."""
        until = self._clock.monotonic() + _SECONDS_A_LOOK
        for folder in sorted(folders, key=lambda one: not self._known[one.name].is_running):
            if self._clock.monotonic() > until:
                return False
            known = self._known[folder.name]
            stamp, known.is_running = stamp_of(folder), is_locked(folder)
            tail = known.tail or SessionTail(folder)
            try:
                known.answers = answers_stamp(folder)
                entry = entry_from_answers(
                    folder, tail, is_running=known.is_running, now=self._clock.time()
                )
            except UNREADABLE as error:
                entry = broken_entry(folder, error)
            known.stamp = stamp
            known.tail = tail if known.is_running else None
            self._put(shown, folder, entry)
        return True

    def _put(self, shown: dict[str, Shown], folder: Path, entry: SessionEntry) -> None:
        encoded = msgspec.json.encode(entry)
        before = shown.get(folder.name)
        if before is None or before.json != encoded:
            shown[folder.name] = Shown(
                folder, entry.session, encoded, self._number, entry.live is not None
            )


def _answers_or_none(folder: Path) -> AnswersStamp | None:
    try:
        return answers_stamp(folder)
    except (StoreError, OSError):
        return None
