"""What Python's compiler says of programs: asked in a process of its own, which it may crash.

Run as `python -m tests.support.ask_compiler`: programs in as a JSON list, verdicts out as another.
"""

import json
import subprocess
import sys
import warnings
from collections.abc import Sequence

from tests.support.command import ROOT

Verdict = tuple[str, int | None] | None  # what is refused, and its line; None: the code is taken


def compiler_verdicts(programs: Sequence[str]) -> list[Verdict | str]:
    """Return a verdict for each program; "failed" where the compiler itself went wrong."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.ask_compiler"],
        cwd=ROOT,
        input=json.dumps(programs),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(ran.stdout)
    return [tuple(verdict) if isinstance(verdict, list) else verdict for verdict in found]


def _verdict(program: str) -> Verdict | str:
    try:
        compile(program, "<program>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return error.msg, error.lineno
    except SystemError:
        return "failed"
    return None


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps([_verdict(program) for program in json.load(sys.stdin)]))
