"""The files of a dataset: which there are, and their lines, packed or not."""

import gzip
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from config.errors import DatasetError

_MARK = b"\xef\xbb\xbf"  # of UTF-8, from some editors
_ENDINGS = (".jsonl", ".jsonl.gz")
_MOST_BYTES = 200_000_000  # of an unpacked file: the published ones have under 50 MB
_OTHERS = (
    "name another with --dataset-path or DATASET_PATH, "
    "or get one: python scripts/fetch_dataset.py codeeval"
)


def problem_files(dataset: Path) -> list[Path]:
    """Return a folder's files of problems, by name, or the one file that dataset is.

    Raises DatasetError where there are none.
    """
    try:
        if dataset.is_file():
            return [dataset]
        if not dataset.is_dir():
            raise DatasetError(f"{dataset}: no such folder of problems; {_OTHERS}")
        files = sorted(path for path in dataset.iterdir() if path.name.endswith(_ENDINGS))
    except OSError as error:
        raise DatasetError(f"{dataset}: cannot be read: {error.strerror}") from error
    if not files:
        below = sorted(path.parent for path in dataset.glob("*/*.jsonl"))
        hint = f"did you mean {below[0]}?" if below else _OTHERS
        raise DatasetError(f"{dataset}: no .jsonl files in this folder; {hint}")
    return files


def stem_of(file: Path) -> str:
    """Return a file's name without its endings."""
    return file.name.removesuffix(".gz").removesuffix(".jsonl")


class DatasetLine(NamedTuple):
    """A line without its end; number: from 1. offset: in bytes, of the file when unpacked."""

    number: int
    offset: int
    content: bytes


def is_packed(file: Path) -> bool:
    """Return whether a file has to be unpacked to be read."""
    return file.name.endswith(".gz")


def lines_of(file: Path) -> Iterator[DatasetLine]:
    """Yield the lines that are not blank; raises DatasetError."""
    content = BytesIO(_content(file))
    offset = len(_MARK) if content.getbuffer()[: len(_MARK)] == _MARK else 0
    content.seek(offset)
    for number, line in enumerate(content, start=1):
        if line.strip():
            yield DatasetLine(number, offset, line.removesuffix(b"\n"))
        offset += len(line)


def _content(file: Path) -> bytes:
    opener = gzip.open if is_packed(file) else open
    try:
        with opener(file, "rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{file}: not a gzip file that can be read: {error}") from error
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise DatasetError(f"{file}: holds more than {_MOST_BYTES:,} bytes")
    return content
