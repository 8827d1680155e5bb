"""How many hostile replies hurt a run: of every kind, over every wire format, through real runs.

python -m benchmarks.hostile [--culprits] [--part texts] [--kind WORDS] [--ordinary 19]
Loopback only. Exit code 1 where a run was hurt.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.hostile.attack import Outcome
from tests.support.hostile.kinds import Hostile
from tests.support.hostile.parts import PARTS, Part


@dataclass(slots=True)
class _Sum:
    kinds: int = 0
    sent: int = 0
    ordinary: int = 0
    runs: int = 0
    hurt: int = 0
    mib: float = 0.0


async def _main(arguments: argparse.Namespace) -> int:
    started, total = time.monotonic(), _Sum()
    for part in PARTS:
        kinds = [kind for kind in part.kinds if arguments.kind in kind.name]
        if kinds and part.name in (arguments.part or [part.name]):
            total.kinds += len(kinds)
            await _try(part, kinds, arguments, total)
    _print_sum(total, time.monotonic() - started)
    return 1 if total.hurt else 0


async def _try(
    part: Part, kinds: Sequence[Hostile], arguments: argparse.Namespace, total: _Sum
) -> None:
    """Run an attack and print what it came to; look for the culprits where that is asked for."""
    outcome = await _run(part, kinds, arguments)
    named = f": {kinds[0].name}" if len(kinds) == 1 else f", {len(kinds)} kinds"
    _print_outcome(part.name + named, outcome)
    total.sent += outcome.sent
    total.ordinary += outcome.tasks - outcome.sent
    total.mib = max(total.mib, outcome.mib)
    total.runs += 1
    total.hurt += bool(outcome.hurt)
    if outcome.hurt and arguments.culprits and len(kinds) > 1:
        middle = len(kinds) // 2
        for half in (kinds[:middle], kinds[middle:]):
            await _try(part, half, arguments, total)


async def _run(part: Part, kinds: Sequence[Hostile], arguments: argparse.Namespace) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return await part.attack(
            Path(folder), kinds, ordinary=arguments.ordinary, within_seconds=arguments.seconds
        )


def _print_sum(total: _Sum, seconds: float) -> None:
    rows = {
        "kinds of hostile replies": total.kinds,
        "hostile replies tried": total.sent,
        "ordinary tasks among them": total.ordinary,
        "runs": total.runs,
        "runs hurt": total.hurt,
        "largest process, MiB": total.mib,
        "seconds": seconds,
    }
    for name, figure in rows.items():
        print(f"{name:<28}{figure:>8,.0f}")


def _print_outcome(name: str, outcome: Outcome) -> None:
    verdict = "HURT" if outcome.hurt else "held"
    print(
        f"{verdict}  {name}: {outcome.sent} hostile of {outcome.tasks} replies, "
        f"{outcome.seconds:.1f} s, {outcome.mib:.0f} MiB",
        flush=True,
    )
    for line in outcome.hurt:
        print("      " + line.replace("\n", "\n      "), flush=True)


def main() -> int:
    """Run the attacks and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--culprits", action="store_true", help="halve what hurt a run down to single kinds"
    )
    parser.add_argument("--part", nargs="+", help="only these parts")
    parser.add_argument("--kind", default="", help="only kinds with these words in their names")
    parser.add_argument("--ordinary", type=int, default=19, help="ordinary tasks a hostile one")
    parser.add_argument("--seconds", type=float, default=900.0, help="bound on a command")
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
