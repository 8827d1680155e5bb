"""A terminal of a fixed size for a command to run on, and what its screen shows."""

import asyncio
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pyte

_LOOK_AGAIN_SECONDS = 0.05
_PATIENCE_SECONDS = 120.0  # a test that waits in vain fails, and does not hang


class Terminal:
    """Runs one command after another; pictures: its screens as time went by."""

    def __init__(self, columns: int, rows: int, picture_seconds: float = 0.4) -> None:
        self.pictures: list[str] = []
        self._size = struct.pack("HHHH", rows, columns, 0, 0)
        self._picture_seconds = picture_seconds
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._process: asyncio.subprocess.Process | None = None
        self._master = -1

    async def run(self, command: list[str], environment: Mapping[str, str], folder: Path) -> int:
        """Return the exit code of a command that ran on this terminal."""
        master, slave = pty.openpty()
        self._master = master
        fcntl.ioctl(slave, termios.TIOCSWINSZ, self._size)
        loop = asyncio.get_running_loop()
        all_is_read = asyncio.Event()
        loop.add_reader(master, self._read, all_is_read)
        try:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave
                )
            finally:
                os.close(slave)  # so that what was written ends where the command does
            ended = asyncio.create_task(self._process.wait())
            while not ended.done():
                self.pictures.append(self.text)
                await asyncio.wait([ended], timeout=self._picture_seconds)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await all_is_read.wait()
            return ended.result()
        finally:
            loop.remove_reader(master)
            os.close(master)

    def _read(self, all_is_read: asyncio.Event) -> None:
        """Show what was written; Linux reports an error once nobody is left who could write."""
        written = b""
        with suppress(OSError):
            written = os.read(self._master, 65536)
        if written:
            self._stream.feed(written)
        else:
            asyncio.get_running_loop().remove_reader(self._master)
            all_is_read.set()

    async def shows(self, words: str) -> str:
        """Return the screen as soon as these words stand on it; fail if they never do."""
        return await self.shows_what(lambda text: words in text)

    async def shows_what(self, fits: Callable[[str], bool]) -> str:
        """Return the screen as soon as it is as wanted; fail if it never is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while not fits(self.text):
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        assert fits(self.text), self.text
        return self.text

    def send(self, number: int) -> None:
        """Send the running command a signal."""
        assert self._process is not None, "nothing runs yet"
        self._process.send_signal(number)

    def type(self, keys: str) -> None:
        """Type at the running command."""
        os.write(self._master, keys.encode())

    @property
    def text(self) -> str:
        """What the screen shows now, without blank lines at the end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()
