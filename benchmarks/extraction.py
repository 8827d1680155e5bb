"""Extraction: shapes of replies that come out right, and what a reply takes.

Run `python benchmarks/extraction.py`.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import Figure
from benchmarks.loopback_server import ANSWER
from processors.code_candidates import extract_code
from processors.response_validator import ResponseValidator
from tests.extraction_corpus.cases import Case, load_cases

_REPEATS = 200
_MEGABYTE = 1_000_000


def figures() -> Iterator[Figure]:
    """Yield shapes passed, and times of common and of huge replies."""
    cases = load_cases()
    passed = sum(map(passes, cases))
    yield Figure(
        part="extraction",
        name="shapes of the corpus that come out right",
        value=passed,
        bound=len(cases),
        unit=f"of {len(cases)}",
        at_least=True,
        detail="exactly the expected code, and the expected verdict on it",
    )
    yield _time("a reply of the corpus, median", microseconds_of_corpus(cases), 2000, "µs")
    yield _time("a reply of 5 KB, median", microseconds_of_common(), 2000, "µs")
    yield _time("a reply of 1 MB, the worst of four", max(seconds_of_huge()), 1, "s")


def passes(case: Case) -> bool:
    """Return whether a reply yields what the corpus says."""
    cut = case.keys.get("finish") == "length"
    found = extract_code(case.reply, case.name, truncated_reply=cut)
    verdict = ResponseValidator().validate(found.code, case.name)
    is_right = found.code == (case.code or "") and found.truncated == (
        case.keys.get("truncated") == "yes"
    )
    return is_right and verdict.is_fully_valid == (case.expect == "code")


def microseconds_of_corpus(cases: list[Case]) -> float:
    """Return the median time of the corpus' replies; processor time, as all here."""
    return 1e6 * median(_seconds(case.reply, case.name) for case in cases)


def microseconds_of_common() -> float:
    """Return the median time of 5 KB: prose, a block of 3 KB, prose."""
    times = []
    for number in range(_REPEATS):
        name = f"solve_{number}"
        answer = ANSWER.replace("NAME", name)
        prose, block, rest = answer.split("```")
        helpers = "".join(
            f"\n\ndef _helper_{n}(items):\n"
            "    return [(index, item) for index, item in enumerate(items) if item is not None]"
            for n in range(20)
        )
        reply = f"{prose}{'It goes like this. ' * 70}\n```{block}{helpers}\n```{rest}"
        times.append(_seconds(reply, name))
    return 1e6 * median(times)


def seconds_of_huge() -> Iterator[float]:
    """Yield the times of a megabyte of prose, of one block, of many, and of backticks."""
    one = "def solve(value):\n    return value\n\n\n"
    for reply in (
        "I would look at each value in turn. " * (_MEGABYTE // 36),
        f"```python\n{one * (_MEGABYTE // len(one))}```",
        f"```python\n{one}```\nor\n" * (_MEGABYTE // (len(one) + 17)),
        "`x` and ``y`` " * (_MEGABYTE // 14),
    ):
        yield _seconds(reply, "solve")


def _seconds(reply: str, name: str | None) -> float:
    started = time.process_time()
    extract_code(reply, name)
    return time.process_time() - started


def _time(name: str, value: float, bound: float, unit: str) -> Figure:
    return Figure(
        part="extraction",
        name=name,
        value=value,
        bound=bound,
        unit=unit,
        at_least=False,
        detail="processor time",
    )


def main() -> None:
    """Print the figures."""
    for figure in figures():
        print(figure)


if __name__ == "__main__":
    main()
