"""How many hostile replies hurt a run: of every kind, over every wire format, through real runs.

python -m benchmarks.hostile [--each] [--part texts] [--kind WORDS] [--ordinary 19]
Loopback only. Exit code 1 where a run was hurt.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.hostile.attack import Outcome
from tests.support.hostile.kinds import Hostile
from tests.support.hostile.parts import PARTS, Part


async def _main(arguments: argparse.Namespace) -> int:
    started, sent, runs, hurt = time.monotonic(), 0, 0, 0
    for part in PARTS:
        if arguments.part and part.name not in arguments.part:
            continue
        kinds = [kind for kind in part.kinds if arguments.kind in kind.name]
        groups = [[kind] for kind in kinds] if arguments.each else [kinds]
        for group in filter(None, groups):
            outcome = await _run(part, group, arguments)
            name = f"{part.name}: {group[0].name}" if len(group) == 1 else part.name
            _print_outcome(name, outcome)
            sent, runs, hurt = sent + outcome.sent, runs + 1, hurt + bool(outcome.hurt)
    print(f"hostile replies tried {sent:>8,}")
    print(f"runs                  {runs:>8,}")
    print(f"runs hurt             {hurt:>8,}")
    print(f"seconds               {time.monotonic() - started:>8,.0f}")
    return 1 if hurt else 0


async def _run(part: Part, kinds: Sequence[Hostile], arguments: argparse.Namespace) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return await part.attack(
            Path(folder), kinds, ordinary=arguments.ordinary, within_seconds=arguments.seconds
        )


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
    parser.add_argument("--each", action="store_true", help="a run for each kind, to find culprits")
    parser.add_argument("--part", nargs="+", help="only these parts")
    parser.add_argument("--kind", default="", help="only kinds with these words in their names")
    parser.add_argument("--ordinary", type=int, default=19, help="ordinary tasks a hostile one")
    parser.add_argument("--seconds", type=float, default=60.0, help="bound on a command")
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
