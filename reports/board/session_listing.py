"""Which sessions a folder holds, and what tells that one of them changed; no file is opened."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from storage.files.regular_file import refuse_link
from storage.session.manifest import MANIFEST_NAME, SUMMARY_NAME
from storage.session.progress_file import PROGRESS_NAME
from storage.session.session_folder import EVALUATION_FOLDER
from storage.session.session_lock import LOCK_NAME

MOST_SESSIONS = 2000
_WATCHED = (
    LOCK_NAME,
    SUMMARY_NAME,
    MANIFEST_NAME,
    PROGRESS_NAME,
    f"{EVALUATION_FOLDER}/{SUMMARY_NAME}",
    "",  # the folder itself
)


@dataclass(frozen=True, slots=True)
class Listing:
    """The folders of sessions, by name; note: for people, about what is not in it."""

    folders: dict[str, Path]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Inode, size and time of each small file of a session; it changes when one of them does."""

    files: tuple[tuple[int, int, int], ...]

    @property
    def may_be_locked(self) -> bool:
        """An empty lock file is nobody's."""
        return self.files[0][1] > 0


@dataclass(frozen=True, slots=True)
class AnswersStamp:
    """A session's .jsonl files: how many hold answers, all bytes, and the last one's time (ns)."""

    files: int
    size: int
    written: int


def list_folders(output_dir: Path) -> Listing:
    """Return the sessions of a folder, the latest by name where there are too many."""
    try:
        with os.scandir(output_dir) as places:
            names = sorted(place.name for place in places if _may_be_session(place))
    except FileNotFoundError:
        return Listing({}, "The folder of sessions does not exist yet.")
    except OSError as error:
        return Listing({}, f"The folder of sessions cannot be read: {error.strerror}.")
    kept, left_out = names[-MOST_SESSIONS:], max(0, len(names) - MOST_SESSIONS)
    note = f"{left_out} earlier sessions, by name, are not listed." if left_out else ""
    return Listing({name: output_dir / name for name in kept}, note)


def stamp_of(folder: Path) -> Stamp:
    """Return the stamp of a session, which need not exist."""
    return Stamp(tuple(_file_stamp(folder / name) for name in _WATCHED))


def answers_stamp(folder: Path) -> AnswersStamp:
    """Return the stamp of a session's answers and failures.

    Raises StoreError where the session or a folder in it is a link, OSError where it cannot be
    read.
    """
    refuse_link(folder)
    others, found = [], []
    with os.scandir(folder) as places:
        for place in places:
            if place.name.endswith(".jsonl"):
                others.append(place.stat(follow_symlinks=False))
            elif _holds_answers(place):
                refuse_link(Path(place.path))
                found += _jsonl_files(place.path)
    return AnswersStamp(
        len(found),
        sum(file.st_size for file in (*others, *found)),
        max((file.st_mtime_ns for file in (*others, *found)), default=0),
    )


def is_summary_current(folder: Path, answers: AnswersStamp) -> bool:
    """Return whether summary.json was written after every answer, failure and the manifest.

    It does not show in this whether files of answers were deleted since.
    """
    written = _file_stamp(folder / SUMMARY_NAME)[2]
    return max(answers.written, _file_stamp(folder / MANIFEST_NAME)[2]) <= written


def _may_be_session(place: "os.DirEntry[str]") -> bool:
    """A link to a folder is listed too: as what cannot be read."""
    try:
        return place.name[0] != "." and place.is_dir()
    except OSError:
        return False


def _file_stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.lstat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _holds_answers(place: "os.DirEntry[str]") -> bool:
    if place.name[0] == "." or place.name == EVALUATION_FOLDER:
        return False
    kind = place.stat(follow_symlinks=False).st_mode
    return stat.S_ISDIR(kind) or (stat.S_ISLNK(kind) and place.is_dir())


def _jsonl_files(folder: str) -> list[os.stat_result]:
    with os.scandir(folder) as files:
        return [file.stat(follow_symlinks=False) for file in files if file.name.endswith(".jsonl")]
