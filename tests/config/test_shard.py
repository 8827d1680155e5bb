"""Shards: every problem is in exactly one, for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.shard import Shard, parse_shard


@given(st.sets(st.text(max_size=12), max_size=60), st.integers(1, 40))
def test_shards_are_disjoint_and_complete(task_ids: set[str], of: int) -> None:
    shards = [Shard(number=number, of=of) for number in range(1, of + 1)]
    assert sorted(task for shard in shards for task in task_ids if shard.holds(task)) == sorted(
        task_ids
    )


def test_a_problem_stays_in_its_shard_from_release_to_release() -> None:
    tasks = [f"typing_{number}" for number in range(1, 9)]
    assert [task for task in tasks if Shard(number=2, of=4).holds(task)] == [
        *("typing_3", "typing_4", "typing_8"),
    ]


@pytest.mark.parametrize(
    "text",
    ["0/4", "5/4", "x", "", "1", "/", "1/", "/4", "1/0", "-1/4", "1/4/2", "1.0/4", "\u0661/\u0664"],
)
def test_a_typo_names_no_shard(text: str) -> None:
    with pytest.raises(ValueError, match="shard"):
        parse_shard(text)
