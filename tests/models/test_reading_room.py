"""Room for replies that are being read: bounded, and nobody waits in a circle."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from models.wire.reading_room import ReadingRoom

ROOM, REPLY, FREE = 1_000, 200, 10


async def read(room: ReadingRoom, pieces: list[int]) -> None:
    with room.reader() as reader:
        for piece in pieces:
            await reader.take(piece)
            await asyncio.sleep(0)


@st.composite
def replies(draw: st.DrawFn) -> list[list[int]]:
    """Draw the pieces of replies, none longer than one may be."""
    drawn = draw(st.lists(st.lists(st.integers(1, 60), max_size=40), max_size=40))
    return [_cut(pieces) for pieces in drawn]


def _cut(pieces: list[int]) -> list[int]:
    kept: list[int] = []
    for piece in pieces:
        if sum(kept) + piece <= REPLY:
            kept.append(piece)
    return kept


@given(replies())
def test_all_are_read_to_their_ends_within_the_bound(drawn: list[list[int]]) -> None:
    async def run() -> ReadingRoom:
        room = ReadingRoom(ROOM, REPLY, FREE)
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            for pieces in drawn:
                group.create_task(read(room, pieces))
        return room

    room = asyncio.run(run())
    assert room.held_bytes == 0
    assert room.most_held_bytes <= ROOM + FREE * len(drawn)


@given(replies(), st.sets(st.integers(0, 39)), st.integers(0, 10))
def test_those_that_are_cancelled_give_back_what_they_hold(
    drawn: list[list[int]], cancelled: set[int], turns: int
) -> None:
    async def run() -> ReadingRoom:
        room = ReadingRoom(ROOM, REPLY, FREE)
        tasks = [asyncio.create_task(read(room, pieces)) for pieces in drawn]
        for _ in range(turns):
            await asyncio.sleep(0)
        for place in cancelled & set(range(len(tasks))):
            tasks[place].cancel()
        async with asyncio.timeout(120):
            await asyncio.gather(*tasks, return_exceptions=True)
        return room

    assert asyncio.run(run()).held_bytes == 0


async def test_full_of_halves_one_goes_on_after_the_other() -> None:
    room = ReadingRoom(ROOM, REPLY, FREE)
    started = [asyncio.create_task(read(room, [100, 100])) for _ in range(30)]
    async with asyncio.timeout(120):
        await asyncio.gather(*started)
    assert room.most_held_bytes <= ROOM
