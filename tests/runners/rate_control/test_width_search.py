"""How wide a lane gets where nothing is refused, and how many calls a process may have at all."""

import subprocess
import sys

import pytest

from runners.rate_control.width_search import MOST_IN_FLIGHT, UNMEASURED_WIDTH, WidthSearch
from tests.support.served_width import WideRun, queueing


def test_a_lane_widens_to_what_its_server_can_do() -> None:
    run = WideRun(queueing(1000), seconds=600, latency_spread=0.0).go()
    assert run.throughput(300, 600) >= 0.9 * 100
    assert 1000 <= run.widths[-1] <= 2048


def test_a_lane_steps_back_where_more_calls_bring_no_more_answers() -> None:
    run = WideRun(queueing(40), seconds=900, latency_spread=0.5).go()
    assert max(run.widths) == 2 * UNMEASURED_WIDTH
    assert run.widths[-1] < UNMEASURED_WIDTH
    assert run.throughput(450, 900) >= 0.9 * 4


def test_a_doubling_that_gains_plainly_takes_two_rounds_of_answers() -> None:
    search, now, ends = WidthSearch(), 0.0, 0
    while search.width < 2048:
        now += 2.0 / search.width
        search.ended(now, search.width, search.width, answered=True)
        ends += 1
    rounds_of_256 = 1 + 2  # to settle, and to measure what the others are compared with
    assert ends <= rounds_of_256 * 256 + 2 * (512 + 1024) + 10


def test_failures_in_a_trial_end_it() -> None:
    search, now = WidthSearch(), 0.0
    widths = set()
    for _ in range(20_000):
        slots = search.suggested(10_000)
        widths.add(slots)
        now += 2.0 / slots
        search.ended(now, slots, slots, answered=slots <= 600)
    assert 1024 in widths and 2048 not in widths
    assert search.suggested(10_000) <= 600 * 2**0.5


def test_a_lane_that_has_no_work_for_its_width_is_not_judged() -> None:
    search = WidthSearch()
    for second in range(10_000):
        search.ended(float(second), 20, UNMEASURED_WIDTH, answered=True)
    assert search.width == UNMEASURED_WIDTH


def test_no_width_is_beyond_what_one_address_has_ports_for() -> None:
    search, now = WidthSearch(), 0.0
    while search.width < MOST_IN_FLIGHT:
        now += 2.0 / search.width
        search.ended(now, search.width, search.width, answered=True)
    for _ in range(10 * MOST_IN_FLIGHT):
        now += 2.0 / search.width
        search.ended(now, search.width, search.width, answered=True)
        assert search.width <= MOST_IN_FLIGHT


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no sockets")
@pytest.mark.parametrize(("hard", "calls"), [(400, 200), (2000, 1744), (20_000, 16_384)])
def test_the_soft_limit_on_open_files_is_raised_and_kept(hard: int, calls: int) -> None:
    program = (
        "import resource\n"
        "from runners.lanes.open_files import calls_that_fit\n"
        "try:\n"
        f"    resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))\n"
        "except ValueError:\n"
        "    raise SystemExit('so many files are not allowed here')\n"
        "print(calls_that_fit(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if "not allowed here" in done.stderr:
        pytest.skip(f"{hard} open files are not allowed here")
    assert done.stdout.strip() == f"{calls} ({hard}, {hard})"
