"""batches/ in a session: the lines that were sent, and the rows that came back, a file each.

Their names do not end in .jsonl: whoever looks for a session's */*.jsonl is to find answers alone.
"""

import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from config.errors import StoreError
from storage.files.durability import flush_descriptor, flush_folder, write_error
from storage.files.regular_file import make_folders, open_fresh, open_to_read
from storage.session.session_folder import BATCHES_FOLDER

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_LENGTH = 8
_SKIPPED_BYTES = 2**20


def new_token() -> str:
    """Return a token that no other batch of anybody has: one of 2.8e12."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


class BatchFiles:
    """The files of one session's batches."""

    def __init__(self, session: Path) -> None:
        self._session = session
        self._folder = session / BATCHES_FOLDER

    def lines_of(self, token: str) -> Path:
        """Return where the lines that are sent stand."""
        return self._folder / f"{token}.requests.ndjson"

    def results_of(self, token: str) -> Path:
        """Return where the rows that came back stand, once they are whole."""
        return self._folder / f"{token}.results.ndjson"

    def open_lines(self, token: str) -> BinaryIO:
        """Return the lines, opened to be read; raises StoreError where they cannot be."""
        path = self.lines_of(token)
        try:
            return open_to_read(path)
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from error

    def write_lines(self, token: str, lines: Iterable[bytes]) -> tuple[int, str]:
        """Return the size and sha256 of the lines, once they are on the disk.

        Raises StoreError where they cannot be written.
        """
        digest, size = hashlib.sha256(), 0
        path = self.lines_of(token)
        with self._fresh(path) as file:
            for line in lines:
                file.write(line)
                digest.update(line)
                size += len(line)
        return size, digest.hexdigest()

    def has_results(self, token: str) -> bool:
        """Tell whether the rows that came back are all here."""
        return self.results_of(token).exists()

    def forget_results(self, token: str) -> None:
        """Take away rows that turned out to be somebody else's."""
        self.results_of(token).unlink(missing_ok=True)

    async def keep_results(self, token: str, pieces: AsyncIterator[bytes], most_bytes: int) -> bool:
        """Return whether all of the rows came, once they are on the disk; False: cut at most_bytes.

        Raises StoreError where they cannot be written, and what the pieces raise.
        """
        size = 0
        with self._fresh(self.results_of(token)) as file:
            async for piece in pieces:
                size += len(piece)
                if size > most_bytes:
                    break
                file.write(piece)
        return size <= most_bytes

    def results(self, token: str, most_row_bytes: int) -> Iterator[bytes]:
        """Yield the rows that came back; of one that is longer than any may be, the beginning."""
        path = self.results_of(token)
        try:
            with open_to_read(path) as file:
                while line := file.readline(most_row_bytes):
                    yield line
                    while line and not line.endswith(b"\n"):
                        line = file.readline(_SKIPPED_BYTES)
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from error

    @contextlib.contextmanager
    def _fresh(self, path: Path) -> Iterator[BinaryIO]:
        """Yield a file that takes the path's place once it is whole and on the disk."""
        try:
            make_folders(self._session, self._folder)
            fresh, file = open_fresh(path)
            try:
                with file:
                    yield file
                    file.flush()
                    flush_descriptor(file.fileno())
                fresh.replace(path)
                flush_folder(self._folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    fresh.unlink()
                raise
        except OSError as error:
            raise write_error(path, error) from error
