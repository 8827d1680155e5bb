"""Who waits for one API key: round robin between its models, first come first served within."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

LaneT = TypeVar("LaneT")
GrantT = TypeVar("GrantT")


@dataclass(slots=True, eq=False)
class Place(Generic[LaneT, GrantT]):
    """One waiting request; `grant` is set once, by whoever lets it go."""

    lane: LaneT
    input_tokens: int
    wake: asyncio.Future[None]
    grant: GrantT | None = None


@dataclass(slots=True)
class FairQueue(Generic[LaneT, GrantT]):
    """Places by lane; only lanes with somebody waiting are in it."""

    _lanes: dict[LaneT, deque[Place[LaneT, GrantT]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def add(self, place: Place[LaneT, GrantT], *, urgent: bool) -> None:
        """Put a request at the end of its lane; an urgent one at its head."""
        places = self._lanes.setdefault(place.lane, deque())
        if urgent:
            places.appendleft(place)
        else:
            places.append(place)

    def lanes(self) -> Iterator[LaneT]:
        """Yield the lanes with somebody waiting, the longest unserved first."""
        yield from tuple(self._lanes)

    def pop(self, lane: LaneT) -> Place[LaneT, GrantT]:
        """Return the lane's head, and send the lane to the back of the round."""
        places = self._lanes.pop(lane)
        place = places.popleft()
        if places:
            self._lanes[lane] = places
        return place

    def discard(self, place: Place[LaneT, GrantT]) -> None:
        """Take out a request that no longer waits, wherever it stands."""
        places = self._lanes.get(place.lane)
        if places is None or place not in places:
            return
        places.remove(place)
        if not places:
            del self._lanes[place.lane]

    def any_place(self) -> Place[LaneT, GrantT] | None:
        """Return the place that will wait longest in the last lane, or None."""
        for places in reversed(self._lanes.values()):
            return places[-1]
        return None

    def waiting(self, lane: LaneT) -> int:
        """Return how many of the lane's requests wait."""
        return len(self._lanes.get(lane, ()))
