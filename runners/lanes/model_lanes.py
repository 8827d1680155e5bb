"""The lanes of one model, one for each of its provider's keys, seen together."""

from collections.abc import Iterable, Sequence

from runners.lanes.lane import Lane


def of_each_model(lanes: Iterable[Lane]) -> dict[str, list[Lane]]:
    """Return label -> the lanes of a model's keys, in their order."""
    by_label: dict[str, list[Lane]] = {}
    for lane in lanes:
        by_label.setdefault(lane.label, []).append(lane)
    return by_label


def why_closed(lanes: Sequence[Lane]) -> str | None:
    """Return why a model was closed, given the lanes of its keys; None while one of them is not."""
    if not all(lane.closed_by for lane in lanes):
        return None
    reasons = {str(lane.closed_by) for lane in lanes}
    if len(reasons) == 1:
        return reasons.pop()
    return "; ".join(f"{lane.model.key_variable}: {lane.closed_by}" for lane in lanes)
