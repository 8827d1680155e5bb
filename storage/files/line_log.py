"""Lines appended to files of one folder: with the system at once, on the disk when asked."""

import threading
from pathlib import Path

from storage.files.durability import flush_file, flush_folder, write_error
from storage.files.jsonl_file import append_line


class LineLog:
    """Appends whole lines; another thread may sync meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files: set[Path] = set()
        self._folders: set[Path] = set()

    def append(self, path: Path, line: bytes) -> int:
        """Return where the line stands, in bytes, once it is whole with the operating system.

        Raises StoreError where it cannot be written.
        """
        with self._lock:
            offset = append_line(path, line)
            if offset == 0:  # the file may be new
                self._folders |= {path.parent, self._folder}
            self._files.add(path)
            return offset

    def sync(self) -> None:
        """Return once everything appended before the call is on the disk.

        Raises StoreError where the disk refuses; the next call tries again.
        """
        with self._lock:
            files, self._files = self._files, set()
            folders, self._folders = self._folders, set()
        try:
            for file in files:
                flush_file(file)
            for folder in folders:
                flush_folder(folder)
        except OSError as error:
            with self._lock:
                self._files |= files
                self._folders |= folders
            raise write_error(self._folder, error) from error
