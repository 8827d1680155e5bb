"""Every field of every file of a session, with values that nobody would write, at every command."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.support.command import Finished
from tests.support.session_check import lines_of
from tests.support.session_commands import (
    COMMANDS,
    EVALUATE,
    MODELS,
    Hung,
    SessionBench,
    is_one_line_or_well,
    session_bench,
)

NUMBERS: tuple[object, ...] = (1e300, -1, 10**30, 10**400, -1e308, 0, None, "")
OTHERS: tuple[object, ...] = (None, -1, 1e300, "", "../a\0b\ud800", [], {})
# The files that are read again, and what has to be gone for that.
READ_AGAIN: dict[str, tuple[str, ...]] = {
    "grok-4.3/sums.jsonl": (),
    "pending_extraction.jsonl": (),
    "failures.jsonl": (),
    "manifest.json": (),
    "summary.json": ("manifest.json",),
    "progress.json": ("spending.json",),
    "spending.json": (),
    "batches.jsonl": (),
    "rate_limits.json": (),
}
STEERING = ("manifest.json", "spending.json")  # all of it is for the commands that take long
LONGEST_LINE = 2_000
NO_SANE_FIGURE = re.compile(r"(?<![\w/])(nan|inf|\d{25,}(\.\d+)?)(?![\w/])")
QUICK = 15

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One value at one place of one file.

    without: files that are not there. is_for_all: also for commands that take long.
    """

    file: str
    place: Place
    value: object
    without: tuple[str, ...]
    is_for_all: bool


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionBench]:
    with session_bench(tmp_path_factory.mktemp("bench")) as made:
        spending = json.loads((made.whole / "spending.json").read_text())
        spending["held_usd"] = {"batch-1": 0.5}
        (made.whole / "spending.json").write_text(json.dumps(spending))
        yield made


@pytest.mark.slow
def test_some_absurd_values_end_no_command_badly(bench: SessionBench) -> None:
    cases = [case for file in files_of(bench.whole) for case in cases_of(bench.whole, file)]
    assert len(cases) > 1_500
    complaints = [c for case in Random(1).sample(cases, QUICK) for c in tried(bench, case)]
    assert complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("file", READ_AGAIN)
def test_no_absurd_value_ends_a_command_badly(bench: SessionBench, file: str) -> None:
    cases = one_at_each_place(cases_of(bench.whole, file))
    assert [complaint for case in cases for complaint in tried(bench, case)] == []


@pytest.mark.slow
def test_no_absurd_value_in_a_derived_file_ends_a_command_badly(bench: SessionBench) -> None:
    derived = [file for file in files_of(bench.whole) if file not in READ_AGAIN]
    cases = [case for file in derived for case in cases_of(bench.whole, file)]
    some = Random(2).sample(cases, 24)  # they are made anew, whatever stands in them
    assert [complaint for case in some for complaint in tried(bench, case)] == []


@pytest.mark.slow
def test_no_absurd_value_in_a_verdict_ends_a_command_badly(bench: SessionBench) -> None:
    bench.evaluate()
    files = [file for file in files_of(bench.whole) if file.startswith("evaluation/")]
    cases = [case for file in files for case in cases_of(bench.whole, file)]
    complaints = [c for case in Random(3).sample(cases, 24) for c in tried(bench, case)]
    for case in Random(4).sample(cases, 8):
        _put(bench.fresh_copy() / case.file, case)
        if wrong := _what_is_wrong(bench.run(EVALUATE)):
            complaints.append(f"{case}: evaluate: {wrong}")
    assert complaints == []


def files_of(session: Path) -> list[str]:
    """Return the files with fields."""
    found = (path for path in session.rglob("*.json*") if path.suffix in (".json", ".jsonl"))
    return sorted(str(path.relative_to(session)) for path in found)


def cases_of(session: Path, file: str) -> list[Case]:
    """Return every value at every place of a file; of a .jsonl file, of its first line."""
    path = session / file
    content = lines_of(path)[0] if path.suffix == ".jsonl" else json.loads(path.read_text())
    cases = []
    for turn, (place, former) in enumerate(places(content)):
        values = NUMBERS if isinstance(former, int | float | None) else OTHERS
        for number, value in enumerate(values):
            is_for_all = file in STEERING or number == turn % len(values)
            cases.append(Case(file, place, value, READ_AGAIN.get(file, ()), is_for_all))
    return cases


def one_at_each_place(cases: list[Case]) -> list[Case]:
    """Return a case for every place, the values in turn: each at every command takes an hour."""
    by_place: dict[Place, list[Case]] = {}
    for case in cases:
        by_place.setdefault(case.place, []).append(case)
    return [some[turn % len(some)] for turn, some in enumerate(by_place.values())]


def places(value: object, place: Place = ()) -> Iterator[tuple[Place, object]]:
    """Yield every place in a JSON value, and what stands there.

    Of a list its first item, of what stands there for each model the first one's.
    """
    if place:
        yield place, value
    if isinstance(value, dict):
        for key, item in value.items():
            if key != MODELS[1]:
                yield from places(item, (*place, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*place, 0))


def tried(bench: SessionBench, case: Case) -> Iterator[str]:
    """Yield what is wrong with how the commands end on a session with such a value."""
    session = bench.fresh_copy()
    for name in case.without:
        (session / name).unlink()
    _put(session / case.file, case)
    for name, command in COMMANDS.items():
        if command.is_slow and not case.is_for_all:
            continue
        try:
            finished = bench.run(command)
        except (Exception, ExceptionGroup, Hung) as error:  # noqa: BLE001 - no command may end so
            yield f"{case}: {name}: {type(error).__name__}: {error}"
            continue
        if wrong := _what_is_wrong(finished):
            yield f"{case}: {name}: {wrong}"
    yield from (f"{case}: {path.name} is no JSON" for path in _no_json(session))


def _put(path: Path, case: Case) -> None:
    first, newline, rest = path.read_text().partition("\n" if path.suffix == ".jsonl" else "\0")
    content = json.loads(first)
    inner = content
    for step in case.place[:-1]:
        inner = inner[step]
    inner[case.place[-1]] = case.value
    path.write_text(json.dumps(content) + newline + rest)


def _what_is_wrong(finished: Finished) -> str | None:
    if "Traceback" in finished.output or not is_one_line_or_well(finished):
        return f"exit code {finished.exit_code}: {finished.output[-500:]}"
    for line in finished.output.splitlines():
        if len(line) > LONGEST_LINE or NO_SANE_FIGURE.search(line):
            return f"says {line[:300]}"
    return None


def _no_json(session: Path) -> Iterator[Path]:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    for path in session.rglob("*.json"):
        try:
            json.loads(path.read_text(), parse_constant=refuse)
        except ValueError:
            yield path
