"""Solutions that attack: none passes, none is left unjudged, the host is as before, all goes on."""

from dataclasses import replace

import pytest

from evaluation.cage import Isolation
from evaluation.judgement import Judgement
from tests.evaluation.attacks import ATTACKS
from tests.evaluation.host import host, zygotes
from tests.evaluation.layers import best_layer, each_layer, need
from tests.evaluation.problems import QUICK, SQUARE_CODE, judging
from tests.support.stepped_clock import until

REASONS = {
    **{name: {"timeout"} for name in ATTACKS["time"]},
    "always_eq": {"forged"},
    "int_subclass_eq": {"forged"},
    "mock_any": {"forged"},
    "metaclass_target": {"forged"},
    "frame_say": {"forged", "protocol"},
    "gc_token": {"forged", "protocol"},
    "stack_tests": {"forged", "exception", "wrong_answer"},
    "exit0_import": {"crashed"},
    "exit0_call": {"crashed"},
    "segv": {"crashed"},
    "deep_recursion": {"crashed", "memory", "timeout"},
    "mem_bomb": {"memory", "timeout"},
    "mem_one": {"memory"},
    "mem_swallow": {"timeout"},
    "verdict_flood": {"flood"},
    # Who is first: the full disk of a cage while the code loads, or the judge that sees it fill.
    "disk_many": {"flood", "load_error", "timeout"},
    "disk_inodes": {"flood", "load_error", "timeout"},
    "fork_bomb": {"denied"},
    "daemon": {"denied"},
    "tcp": {"wrong_answer"},
    "ignore_term": {"timeout"},
    "stop_self": {"timeout"},
}
# One of a kind, for every run of the tests; the slow ones try all.
CHOSEN = [
    "frame_say", "gc_token", "always_eq", "patch_say_code", "exit0_call", "raise_strange",
    "read_secret", "chmod_secret", "tcp", "kill_parent", "zygote_mem", "symlink_cleanup",
    "fork_bomb", "mem_bomb", "verdict_flood", "cpu_loop",
]  # fmt: skip


async def attack(layer: Isolation, names: list[str]) -> None:
    codes = {name: code for kind in ATTACKS.values() for name, code in kind.items()}
    wrong: dict[str, object] = {}
    with host() as attacked:
        before, judging_before = attacked.state(), zygotes()
        async with judging(layer) as judge:
            for name in names:
                judgement = await judge.judge("square", attacked.aim(codes[name]))
                if not is_held(name, judgement):
                    wrong[name] = judgement
                after = await judge.judge("square", SQUARE_CODE)
                if after.verdict != "passed":
                    wrong[f"after {name}"] = after
        assert attacked.state() == before
        # Those that another process left behind, when it was killed, go by themselves.
        await until(lambda: zygotes() <= judging_before)
    assert wrong == {}


def is_held(name: str, judgement: Judgement) -> bool:
    expected = REASONS.get(name)
    return judgement.verdict == "failed" and (expected is None or judgement.reason in expected)


@pytest.mark.slow
async def test_chosen_attacks_are_held() -> None:
    await attack(best_layer(), CHOSEN)


@pytest.mark.slow
async def test_some_forgeries_are_stopped_by_decoys_alone() -> None:
    forgeries = ["frame_say", "gc_token", "always_eq", "mock_any", "patch_say_code"]
    policy = replace(QUICK, use_decoys=False)
    async with judging(best_layer(), policy=policy) as judge:
        found = [await judge.judge("square", ATTACKS["verdict"][name]) for name in forgeries]
    assert [judgement.verdict for judgement in found] == ["passed"] * len(forgeries)


@pytest.mark.slow
@each_layer
@pytest.mark.parametrize("kind", ATTACKS)
async def test_every_attack_is_held_by_every_layer(layer: Isolation, kind: str) -> None:
    need(layer)
    await attack(layer, list(ATTACKS[kind]))


def test_there_are_more_than_a_hundred_attacks() -> None:
    assert sum(len(kind) for kind in ATTACKS.values()) >= 100
