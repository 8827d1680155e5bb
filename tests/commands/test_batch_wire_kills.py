"""Kills (-9) of whole commands in batches, on the wires of Anthropic, Gemini, Together and xAI."""

from itertools import product
from pathlib import Path

import pytest

from tests.commands.test_batch_kills import MOMENTS, KilledSession
from tests.support.batch_bench import WIRES
from tests.support.slow import few

# One in the quick suite, of the wire that shows no token: after the first line with "creating".
_AFTER_CREATING = (4, "after")
_QUICK = [("anthropic", _AFTER_CREATING)]
_REST = [pair for pair in product(sorted(WIRES), MOMENTS) if pair not in _QUICK]


@pytest.mark.slow
@pytest.mark.parametrize("case", few([*_QUICK, *_REST], len(_QUICK)), ids=str)
async def test_a_kill_at_any_step_loses_nothing_and_pays_nothing_twice(
    tmp_path: Path, case: tuple[str, tuple[int, str]]
) -> None:
    wire, moment = case
    server_class, model = WIRES[wire]
    async with server_class() as server:
        session = KilledSession(server, tmp_path, model)
        killed = await (await session.start(*moment)).finished()
        assert killed.exit_code == -9, killed.output
        finished = await session.finish()
        assert finished.exit_code == 0, finished.output
        assert "Traceback" not in killed.output + finished.output
        session.check(server)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wire", "gate"), list(product(sorted(WIRES), ["upload", "create", "poll", "content"]))
)
async def test_a_kill_while_the_provider_works_loses_nothing(
    tmp_path: Path, wire: str, gate: str
) -> None:
    if (wire, gate) == ("anthropic", "upload"):
        pytest.skip("it uploads nothing")
    server_class, model = WIRES[wire]
    async with server_class() as server:
        session = KilledSession(server, tmp_path, model)
        for _ in range(3):
            server.close(gate)
            passed = server.passed[gate]
            program = await session.start()
            await program.ended_or(server.comes_to(gate, passed + 1))
            await program.killed()
            server.open_gate(gate)
        finished = await session.finish()
        assert finished.exit_code == 0, finished.output
        session.check(server)
