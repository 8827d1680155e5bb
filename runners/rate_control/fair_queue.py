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

    traffic: LaneT
    input_tokens: int
    wake: asyncio.Future[None]
    grant: GrantT | None = None


@dataclass(slots=True)
class FairQueue(Generic[LaneT, GrantT]):
    """Places by model; only models with somebody waiting are in it."""

    _by_model: dict[LaneT, deque[Place[LaneT, GrantT]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._by_model)

    def add(self, place: Place[LaneT, GrantT], *, urgent: bool) -> None:
        """Put a request at the end of its model's queue; an urgent one at its head."""
        places = self._by_model.setdefault(place.traffic, deque())
        if urgent:
            places.appendleft(place)
        else:
            places.append(place)

    def by_model(self) -> Iterator[LaneT]:
        """Yield the models with somebody waiting, the longest unserved first."""
        yield from tuple(self._by_model)

    def pop(self, traffic: LaneT) -> Place[LaneT, GrantT]:
        """Return the head of a model's queue, and send the model to the back of the round."""
        places = self._by_model.pop(traffic)
        place = places.popleft()
        if places:
            self._by_model[traffic] = places
        return place

    def discard(self, place: Place[LaneT, GrantT]) -> None:
        """Take out a request that no longer waits, wherever it stands."""
        places = self._by_model.get(place.traffic)
        if places is None or place not in places:
            return
        places.remove(place)
        if not places:
            del self._by_model[place.traffic]

    def any_place(self) -> Place[LaneT, GrantT] | None:
        """Return the place that will wait longest in the last model's queue, or None."""
        for places in reversed(self._by_model.values()):
            return places[-1]
        return None

    def waiting(self, traffic: LaneT) -> int:
        """Return how many of the model's requests wait."""
        return len(self._by_model.get(traffic, ()))
