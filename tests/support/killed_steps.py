"""Runs a command that kills itself (-9) at its N-th step on the disk, with batches in a hurry.

Given N and "before" or "after", then the script and its arguments. A step is what a session in
batches writes and waits for: a line of the ledger, the money, an answer.
"""

import dataclasses
import os
import runpy
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent.parent
# As code for Program's wrapper; wrapped_in: N and "before" or "after".
WRAPPER = f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); " + (
    "runpy.run_module('tests.support.killed_steps', run_name='__main__')"
)
NEVER = 10**9


def main() -> None:
    """Run the script."""
    at, when = int(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[3:]
    _hurry()
    _die_at(at, when)
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")


def _hurry() -> None:
    from config.batch_limits import BATCH_LIMITS, BatchLimits

    limits = cast(dict[str, BatchLimits], BATCH_LIMITS)
    for provider, facts in limits.items():
        limits[provider] = dataclasses.replace(
            facts, first_look_seconds=0.02, longest_look_seconds=0.05, absent_seconds=1.0
        )


def _die_at(at: int, when: str) -> None:
    from runners.calls import spending_ledger
    from storage.records import answer_log
    from storage.records.batch_ledger import BatchLedger

    steps = count(1)

    def killing(step: Callable[..., Any]) -> Callable[..., Any]:
        def taken(*arguments: Any) -> Any:
            dies = next(steps) == at
            if dies and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = step(*arguments)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return taken

    BatchLedger.append = killing(BatchLedger.append)  # type: ignore[method-assign]
    answer_log.AnswerLog.append = killing(answer_log.AnswerLog.append)  # type: ignore[method-assign]
    spending_ledger.write_spending = killing(spending_ledger.write_spending)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
