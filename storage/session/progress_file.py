"""progress.json and final_report.json in guide.md's shape: what is written, what is read back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from config.errors import StoreError
from storage.files.regular_file import read_regular
from storage.session.manifest import SessionStatus, TaskCount, decode_or_none
from storage.session.spending_file import Usd

Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e12)]
PROGRESS_NAME = "progress.json"
REPORT_NAME = "final_report.json"


class ModelProgress(msgspec.Struct, kw_only=True):
    """One model's counts; avg_time: seconds of its answers' last attempts, on average."""

    completed: TaskCount = 0
    successful: TaskCount = 0
    failed: TaskCount = 0
    avg_time: Seconds = 0.0
    last_error: str | None = None


class ProgressCounts(msgspec.Struct, kw_only=True):
    """The counts of progress.json that are read back."""

    completed_tasks: TaskCount = 0
    total_tasks: TaskCount = 0
    successful_tasks: TaskCount = 0
    failed_tasks: TaskCount = 0
    model_progress: dict[str, ModelProgress] = msgspec.field(default_factory=dict)
    estimated_completion: float | None = None  # years ahead where a run is slow


class Progress(msgspec.Struct, kw_only=True):
    """progress.json as it is read back, without the task ids: the .jsonl files have them.

    in_flight: calls that may have been under way; above 0 only where the run was killed, and then
        the number of calls that may have been billed without an answer kept.
    active_seconds: time spent collecting, over all runs.
    spent_usd: the money of all runs, the worst case of calls that were out included.
    batch_rows_done: token -> rows that the provider called done at the last look; not written
        where there are none.
    """

    session_id: str
    status: SessionStatus
    current_progress: ProgressCounts
    start_time: float = 0.0
    last_saved: float = 0.0
    in_flight: TaskCount = 0
    active_seconds: Seconds = 0.0
    spent_usd: Usd = 0.0
    batch_rows_done: dict[str, TaskCount] = msgspec.field(default_factory=dict)


def read_progress(folder: Path) -> Progress | None:
    """Return a session's progress.json, None where it is missing or cannot be understood."""
    path = folder / PROGRESS_NAME
    try:
        return decode_or_none(read_regular(path), Progress)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


def progress_chunks(
    head: Mapping[str, object],
    counts: ProgressCounts,
    completed_ids: bytes | None,
    failed_ids: Sequence[str],
    last_saved: float,
) -> list[bytes]:
    """Return progress.json in pieces.

    completed_ids: its entries, as JSON with commas between; None where they are too many to list.
    """
    fields: dict[str, object] = msgspec.structs.asdict(counts)
    estimated = fields.pop("estimated_completion")
    fields |= {
        "completed_task_ids": [],
        "failed_task_ids": failed_ids,
        "estimated_completion": estimated,
    }
    if completed_ids is None:
        fields["completed_task_ids_in"] = "<model>/<category>.jsonl"
    whole = {**head, "current_progress": fields, "last_saved": last_saved}
    text = msgspec.json.format(msgspec.json.encode(whole), indent=2)
    # No text inside the JSON can look like this: its quotes would be escaped.
    before, after = text.split(_NO_IDS, 1)
    end = b"\n    ]" if completed_ids else b"]"
    return [before, _NO_IDS[:-1], completed_ids or b"", end, after, b"\n"]


_NO_IDS = b'"completed_task_ids": []'
