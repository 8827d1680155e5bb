"""No reply can hurt a run: hostile ones among ordinary ones, from a server of plain sockets."""

from collections import Counter
from pathlib import Path

import pytest

from tests.support.hostile.attack import attack
from tests.support.hostile.kinds import CHAT
from tests.support.hostile.parts import PARTS, Part

# One of each sort, over the wire that most providers share.
A_HANDFUL = (
    "a bomb of gzip",
    "a bomb with status 500",
    "text without end",
    "[ times 100000 with 500",
    "<title> times 100,000 with 500",
    "a header line of 9 KB",
    "limits of 0.0001",
    "after it a byte",
    "counts are a billion",
    "another key as it is, in a reason",
    "60 KB of blanks after 'a:'",
    "text: 300 KB after a channel's start",
    "repeated: nested lists",
    "code: 24 nested finally",
    "code: 9**9**9",
)


@pytest.mark.slow
async def test_a_handful_of_hostile_replies_hurts_no_run(tmp_path: Path) -> None:
    by_name = {kind.name: kind for part in PARTS for kind in part.kinds}
    plan = {CHAT: [by_name[name] for name in A_HANDFUL]}
    outcome = await attack(tmp_path, plan, "--request-timeout", "30", ordinary=4)
    assert outcome.hurt == []
    assert outcome.sent == len(A_HANDFUL)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
async def test_hostile_replies_hurt_no_run(tmp_path: Path, part: Part) -> None:
    outcome = await part.attack(tmp_path, part.kinds, ordinary=4, within_seconds=180)
    assert outcome.hurt == []


def test_every_kind_has_a_name_of_its_own() -> None:
    names = Counter(kind.name for part in PARTS for kind in part.kinds)
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) >= 60
