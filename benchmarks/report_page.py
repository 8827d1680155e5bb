"""The report of 10,000 problems x 10 models in a real browser: how soon it is there, how big.

The answers are written straight into a session, judged, and made into a page as by
scripts/report.py. Memory is what Chromium's own task manager calls its footprint: what all its
processes hold for themselves. Its program, mapped from files, is told beside it, and so is what an
empty tab takes.

Run `python benchmarks/report_page.py [--problems N]`; it needs Chromium with its driver.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from selenium.webdriver.chrome.webdriver import WebDriver

from benchmarks.harness import Figure, at_most
from reports.report import write_report
from tests.support.browser import browser_path, open_browser
from tests.support.page_driver import load, open_problem, ready_milliseconds
from tests.support.sessions import write_judgements, write_session

_MODELS = 10
_CATEGORIES = 25
_OPENINGS = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """What a browser's processes hold, without and with the program itself."""

    private_mb: float
    with_program_mb: float


def figures(problems: int = 10_000) -> Iterator[Figure]:
    """Yield how soon the page can be read and what the browser holds; nothing without a browser."""
    if browser_path() is None:
        return
    with tempfile.TemporaryDirectory() as name:
        per_category = problems // _CATEGORIES
        store = write_session(
            Path(name), models=_MODELS, categories=_CATEGORIES, per_category=per_category
        )
        write_judgements(store)
        report = write_report(store)
        megabytes = report.stat().st_size / 1e6
        seen = [_opened(report) for _ in range(_OPENINGS)]
        empty = _memory_of_an_empty_tab()
    told = f"{per_category * _CATEGORIES:,} problems x {_MODELS} models, {megabytes:.0f} MB"
    times = [milliseconds for milliseconds, _ in seen]
    memory = max((memory for _, memory in seen), key=lambda memory: memory.private_mb)
    yield at_most("report page", "readable after", median(times), 2000, "ms", f"{told}; {times}")
    yield at_most(
        "report page",
        "the browser holds, a problem open",
        memory.private_mb,
        500,
        "MB",
        f"{memory.with_program_mb:.0f} MB with its program; an empty tab {empty.private_mb:.0f} "
        f"and {empty.with_program_mb:.0f} MB",
    )


def _opened(report: Path) -> tuple[int, Memory]:
    """Return milliseconds until the page could be read, and memory once a problem is open."""
    with open_browser() as browser:
        load(browser, report)
        ready = ready_milliseconds(browser)
        open_problem(browser, 1)
        return ready, memory_of(browser)


def _memory_of_an_empty_tab() -> Memory:
    with open_browser() as browser:
        browser.get("about:blank")
        return memory_of(browser)


def memory_of(browser: WebDriver) -> Memory:
    """Return what the driver's children hold; what they share is shared out among them."""
    driver = browser.service.process
    assert driver is not None
    rolls = [_roll(pid) for pid in set(_descendants(driver.pid))]
    private = sum(roll.get("Pss_Anon", 0) + roll.get("Pss_Shmem", 0) for roll in rolls)
    return Memory(private / 1000, sum(roll.get("Pss", 0) for roll in rolls) / 1000)


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from _descendants(child)


def _roll(pid: int) -> dict[str, int]:
    """Return the lines of a process's smaps_rollup: name -> kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=10_000)
    for figure in figures(parser.parse_args().problems):
        print(figure)


if __name__ == "__main__":
    main()
