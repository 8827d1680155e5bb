"""The terminal's summary and report.html give the same median and 95th percentile."""

from pathlib import Path
from random import Random
from statistics import median, quantiles

import pytest

from reports.latencies import Latencies
from reports.report import write_report
from runners.collection_runner import RunOutcome
from scripts._report import print_report
from tests.support.report_page import ReportPage
from tests.support.sessions import write_session
from tests.support.tables import cells

ENDED = RunOutcome(interrupted=False, answered=0, failed=0, undone=0, closed={}, stopped_by=None)


def test_the_terminal_and_the_page_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = write_session(tmp_path, models=4, categories=3, per_category=7)
    page = ReportPage(write_report(store))
    print_report(store, ENDED, tmp_path)
    rows = cells(capsys.readouterr().out)
    for label, row in rows.items():
        model = page.model(label)
        assert row["median s"] == f"{model['median_seconds']:.1f}"
        assert row["p95 s"] == f"{model['p95_seconds']:.1f}"
    assert len(rows) == 4


@pytest.mark.parametrize("count", [2, 3, 20, 21, 999])
def test_they_are_those_of_pythons_statistics(count: int) -> None:
    chance = Random(count)
    seconds = [chance.lognormvariate(0, 1) for _ in range(count)]
    found = Latencies.of(seconds)
    assert found.median == pytest.approx(median(seconds), abs=0.001)
    assert found.p95 == pytest.approx(quantiles(seconds, n=20, method="inclusive")[-1], abs=0.001)
    assert len(found.curve) == 41
    assert (found.curve[0], found.curve[-1]) == (
        round(min(seconds), 3),
        round(max(seconds), 3),
    )


def test_one_answer_and_none() -> None:
    assert Latencies.of([2.5]).p95 == Latencies.of([2.5]).median == 2.5
    assert Latencies.of([]).median is None and Latencies.of([]).curve == ()
