"""How much of what replies hold is extracted, and at what cost; all times are processor time.

python benchmarks/extraction.py          about half a minute
python benchmarks/extraction.py --all    every hostile text at full size: some minutes
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

from processors.extraction.code_candidates import Extraction, extract_code
from processors.response_validator import ResponseValidator
from tests.processors.extraction_corpus.cases import Case, load_cases, load_real_cases
from tests.processors.extraction_corpus.hostile import UNITS, WRAPS, hostile_text

FULL_SIZE = 1_000_000
SAMPLE_SIZE = 100_000  # where the costly texts show themselves
WORST = 8  # of the samples, measured at full size
NAME = "solve"
LARGEST_MEDIAN_MILLISECONDS = 2.0
LARGEST_HOSTILE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure, and the bound that it has to keep."""

    name: str
    value: float
    unit: str
    bound: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the bound holds."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def text(self) -> str:
        """Return the row as a line of a table."""
        sign = "of" if self.at_least else "<="
        mark = "" if self.met else "  !"
        return f"{self.name:<64} {self.value:>8.4g} {sign} {self.bound:g} {self.unit}{mark}"


def rows(*, every_text: bool = False) -> list[Row]:
    """Return the figures; every_text: measure each hostile text at full size."""
    return [
        _shapes_passed(),
        _solutions_found(),
        _microseconds_a_reply(),
        _five_kilobytes("of solid code", _solid_code(5_000)),
        _five_kilobytes("of prose with a block of code", _prose_and_code(5_000)),
        _worst_hostile_text(every_text),
    ]


def _shapes_passed() -> Row:
    cases = load_cases()
    passed = sum(_extracted(case).code == (case.code or "") for case in cases)
    name = "replies of the corpus that yield exactly their code"
    return Row(name=name, value=passed, unit="replies", bound=len(cases), at_least=True)


def _solutions_found() -> Row:
    present = [case for case in load_real_cases() if case.keys["present"] == "yes"]
    found = sum(
        ResponseValidator().validate(_extracted(case).code, case.name).is_fully_valid
        for case in present
    )
    name = "a small model's replies: valid solution extracted / one present"
    return Row(name=name, value=found, unit="replies", bound=len(present), at_least=True)


def _microseconds_a_reply() -> Row:
    times = [
        _least_seconds(lambda case=case: _extracted(case))  # type: ignore[misc]
        for case in load_real_cases()
    ]
    name = "a small model's reply of about 700 characters, median"
    return Row(
        name=name,
        value=round(1e6 * statistics.median(times)),
        unit="microseconds",
        bound=1000 * LARGEST_MEDIAN_MILLISECONDS,
        at_least=False,
    )


def _five_kilobytes(what: str, reply: str) -> Row:
    medians = [
        statistics.median(_seconds(lambda: extract_code(reply, NAME)) for _ in range(20))
        for _ in range(8)
    ]
    return Row(
        name=f"5 KB {what}, median",
        value=round(1000 * min(medians), 2),  # of the batch that others disturbed least
        unit="milliseconds",
        bound=LARGEST_MEDIAN_MILLISECONDS,
        at_least=False,
    )


def _worst_hostile_text(every_text: bool) -> Row:
    pairs = [(unit, wrap) for unit in UNITS for wrap in WRAPS]
    if not every_text:
        with ProcessPoolExecutor() as pool:  # they choose, and are no figures
            samples = sorted(zip(pool.map(_sample_seconds, pairs), pairs, strict=True))
        pairs = [pair for _, pair in samples[-WORST:]]
    seconds, (unit, wrap) = max((_hostile_seconds(*pair, FULL_SIZE, 2), pair) for pair in pairs)
    return Row(
        name=f"worst 1 MB of {len(UNITS) * len(WRAPS)} texts: {unit}, {wrap}",
        value=round(seconds, 2),
        unit="seconds",
        bound=LARGEST_HOSTILE_SECONDS,
        at_least=False,
    )


def _sample_seconds(unit_and_wrap: tuple[str, str]) -> float:
    return _hostile_seconds(*unit_and_wrap, SAMPLE_SIZE, 1)


def _hostile_seconds(unit: str, wrap: str, characters: int, tries: int) -> float:
    text = hostile_text(unit, wrap, characters)
    return _least_seconds(lambda: extract_code(text, NAME), tries)


def _extracted(case: Case) -> Extraction:
    cut = case.keys.get("finish") == "length"
    return extract_code(case.reply, case.name, truncated_reply=cut)


def _least_seconds(work: Callable[[], object], tries: int = 5) -> float:
    """Return the least of several processor times: the one that others disturbed least."""
    return min(_seconds(work) for _ in range(tries))


def _seconds(work: Callable[[], object]) -> float:
    started = process_time()
    work()
    return process_time() - started


def _solid_code(characters: int) -> str:
    body = "".join(_functions(characters - 100))
    return f"```python\n{body}def {NAME}(values):\n    return [helper_0(v) for v in values]\n```\n"


def _prose_and_code(characters: int) -> str:
    prose = "The function walks over the values once and keeps those that pass.\n\n"
    half = characters // 2
    return prose * (half // len(prose)) + _solid_code(half)


def _functions(characters: int) -> Iterator[str]:
    length = number = 0
    while length < characters:
        text = (
            f"def helper_{number}(value, limit=10):\n"
            f"    total = {{key: item for key, item in enumerate(str(value))}}\n"
            f"    if len(total) > limit and value % {number + 2} == 0:\n"
            f"        raise ValueError(f'{{value}} is too long')\n"
            f"    return sum(int(item) for item in total.values())\n\n\n"
        )
        length += len(text)
        number += 1
        yield text


def main() -> int:
    """Return 0 where every bound holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="every hostile text at full size")
    args = parser.parse_args()
    found = rows(every_text=args.all)
    print("\n".join(row.text() for row in found))
    return 0 if all(row.met for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
