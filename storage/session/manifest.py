"""What a session was asked to do, written once when it opens and read back by a resume.

manifest.json is the whole of it; summary.json repeats it in guide.md's shape, so either of the
two is enough to resume (manifest.json alone holds the dataset's content hashes).
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from config.collection_settings import MOST_SAMPLES
from config.errors import StoreError
from config.shard import Shard
from storage.files.durability import replace_file
from storage.files.regular_file import read_regular
from storage.files.utf8_text import clean_value

T = TypeVar("T")
SessionStatus = Literal["in_progress", "completed", "failed"]

FORMAT_VERSION = 1  # sessions without one are older than the first
MANIFEST_NAME = "manifest.json"
SUMMARY_NAME = "summary.json"


# What lies beyond was never written by a clock, or counted.
Moment = Annotated[float, msgspec.Meta(ge=0.0, le=32_503_680_000.0)]  # from 1970 to 3000
TaskCount = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Version = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class SessionMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What one session was asked to do.

    collection_start: seconds since 1970.
    total_problems: problems that every model is asked.
    models, categories: labels and category names, in the order of the run.
    session_parameters: the settings of the run, as CollectionSettings writes and reads them.
    dataset: task_id -> content hash of the problem; None where it is not known any more. Of a
        shard it holds all problems: asked are those that the shard holds.
    """

    collection_start: Moment
    total_problems: TaskCount
    models: list[str]
    categories: list[str]
    session_parameters: Mapping[str, object]
    dataset: Mapping[str, str] | None = None

    @property
    def samples(self) -> int:
        """How many answers every model is asked for to each problem: 1 in older sessions."""
        samples = self.session_parameters.get("samples")
        return samples if isinstance(samples, int) and 1 <= samples <= MOST_SAMPLES else 1

    @property
    def shard(self) -> Shard | None:
        """Return which share of the problems is asked, None for all."""
        try:
            return msgspec.convert(self.session_parameters.get("shard"), Shard | None)
        except msgspec.ValidationError:
            return None

    @property
    def asked(self) -> Mapping[str, str] | None:
        """Return the part of dataset that every model is asked."""
        if self.dataset is None or (shard := self.shard) is None:
            return self.dataset
        return {task: value for task, value in self.dataset.items() if shard.holds(task)}

    @property
    def total_tasks(self) -> int:
        """How many answers there will be when every model has given all of its own."""
        return self.total_problems * self.samples * len(self.models)


class _Manifest(msgspec.Struct):
    format_version: Version
    session_id: str
    metadata: SessionMetadata


class _SummaryMetadata(msgspec.Struct):
    collection_start: Moment = 0.0
    collection_end: Moment | None = None
    total_problems: TaskCount = 0
    models_evaluated: list[str] = msgspec.field(default_factory=list)
    categories_included: list[str] = msgspec.field(default_factory=list)
    session_parameters: dict[str, object] = msgspec.field(default_factory=dict)


class Summary(msgspec.Struct):
    """The part of summary.json that is read back."""

    session_id: str
    collection_metadata: _SummaryMetadata
    format_version: Version = 0
    status: SessionStatus | None = None

    def to_metadata(self) -> SessionMetadata:
        """Return what it says of the session; the content hashes are not in it."""
        kept = self.collection_metadata
        return SessionMetadata(
            collection_start=kept.collection_start,
            total_problems=kept.total_problems,
            models=kept.models_evaluated,
            categories=kept.categories_included,
            session_parameters=kept.session_parameters,
        )


class _Version(msgspec.Struct):
    format_version: Version = 0


def write_manifest(folder: Path, session_id: str, metadata: SessionMetadata) -> None:
    """Write manifest.json; raises StoreError where it cannot be written."""
    path = folder / MANIFEST_NAME
    manifest = _Manifest(FORMAT_VERSION, session_id, metadata)
    replace_file(path, pretty_json(manifest, path))


def read_manifest(folder: Path) -> SessionMetadata | None:
    """Return what manifest.json says, None where it cannot be read.

    Raises StoreError for a session of a newer version.
    """
    manifest = decode_file(folder / MANIFEST_NAME, _Manifest)
    return manifest.metadata if manifest is not None else None


def read_metadata(folder: Path) -> SessionMetadata | None:
    """Return what the session was asked to do, None where neither file can be read.

    Raises StoreError for a session of a newer version.
    """
    manifest, summary = read_manifest(folder), read_summary(folder)
    return manifest or (summary.to_metadata() if summary is not None else None)


def read_summary(folder: Path) -> Summary | None:
    """Return summary.json as far as a resume needs it, None where it cannot be read.

    Raises StoreError for a session of a newer version.
    """
    return decode_file(folder / SUMMARY_NAME, Summary)


def dataset_hash(dataset: Mapping[str, str]) -> str:
    """Return one hash for all problems, whatever their order."""
    pairs = "\n".join(f"{task_id}\0{value}" for task_id, value in sorted(dataset.items()))
    return hashlib.sha256(pairs.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def pretty_json(value: object, path: Path) -> bytes:
    """Return indented JSON for people; raises StoreError, naming the file, where it cannot be."""
    try:
        plain = clean_value(msgspec.to_builtins(value))
        return msgspec.json.format(msgspec.json.encode(plain), indent=2) + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be written as JSON: {error}") from error


def decode_file(path: Path, shape: type[T]) -> T | None:
    """Return the JSON of a known shape in a file, None where there is none.

    Raises StoreError where it cannot be read, or is of a newer version.
    """
    try:
        content = read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    _refuse_newer(path, content)
    return decode_or_none(content, shape)


def _refuse_newer(path: Path, content: bytes) -> None:
    found = decode_or_none(content, _Version)
    if found is not None and found.format_version > FORMAT_VERSION:
        raise StoreError(
            f"{path.parent}: this session has format version {found.format_version}, this program "
            f"knows versions up to {FORMAT_VERSION}: use a newer release of the collector"
        )


def decode_or_none(content: bytes, shape: type[T]) -> T | None:
    """Return JSON of a known shape, None where the content is anything else."""
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
