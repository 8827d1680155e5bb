"""What became of a session's problems since it began."""

from collections.abc import Mapping

_MOST_NAMED = 10


def dataset_changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return which problems changed, came or went, in one line; "" where none did.

    before, now: task_id -> content hash, as the session kept it and as the files have it.
    """
    if before == now:
        return ""
    changed = [task_id for task_id in before.keys() & now.keys() if before[task_id] != now[task_id]]
    changes = [
        *(f"{task_id} changed" for task_id in sorted(changed)),
        *(f"{task_id} is new" for task_id in sorted(now.keys() - before.keys())),
        *(f"{task_id} is gone" for task_id in sorted(before.keys() - now.keys())),
    ]
    more = f" and {len(changes) - _MOST_NAMED} more" if len(changes) > _MOST_NAMED else ""
    return ", ".join(changes[:_MOST_NAMED]) + more
