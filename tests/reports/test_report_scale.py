"""600 problems x 10 models through a real run, and the page that it leaves in a real browser."""

from pathlib import Path
from random import Random

import pytest
from selenium.webdriver.common.by import By

from docs.demo_server import DemoModel, DemoServer
from prompts.problems import load_problems
from tests.support.browser import browser_path, file_url, open_browser
from tests.support.command import Finished, run
from tests.support.datasets import write_varied_dataset
from tests.support.report_page import ReportPage
from tests.support.session_check import check_agreement

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser_path() is None, reason="NO-BROWSER: chromium and chromium-driver"),
]
MODELS = {
    name: DemoModel(seconds=0.0, flaws=0.06 * place, busy=0.005)
    for place, name in enumerate("abcdefghij", start=1)
}
WANTED_MILLISECONDS = 2000
PAGE_BYTES = 3_000_000


async def test_6000_answers_become_one_page_that_opens_at_once(tmp_path: Path) -> None:
    finished = await collected(tmp_path)
    session = finished.session
    assert finished.exit_code == 0, finished.output
    assert len(check_agreement(session)) == 6000
    summary = finished.stdout[finished.stdout.index("\nmodel ") + 1 :]
    assert [line.split()[:2] for line in summary.splitlines()[1:11]] == [
        [f"local-{name}", "600"] for name in MODELS
    ]
    report = session / "report.html"
    packed = sum(len(text) for text in ReportPage(report).data.values())
    assert report.stat().st_size - packed < PAGE_BYTES
    print(summary)
    print(f"report.html: {report.stat().st_size / 1e6:.1f} MB, {packed / 1e6:.1f} MB of it data")
    print(seen(report))


async def collected(tmp_path: Path) -> Finished:
    """Return a run of all models over 600 problems, by the command that users type."""
    dataset = write_varied_dataset(tmp_path / "dataset", per_category=25)
    async with DemoServer(load_problems(dataset), Random(7), MODELS) as server:
        return await run(
            "run_collection.py",
            *("--models", *(f"local:{name}" for name in MODELS)),
            *("--dataset-path", str(dataset), "--output-dir", str(tmp_path / "out")),
            *("--max-concurrent", "8"),
            environment={"LOCAL_BASE_URL": server.url},
        )


def seen(report: Path) -> str:
    """Return how long the page took until it could be read; what must be there is there."""
    with open_browser() as browser:
        browser.get(file_url(report))
        counts = {
            selector: len(browser.find_elements(By.CSS_SELECTOR, selector))
            for selector in (
                "#models tbody tr",
                "#heat tbody button",
                "#charts canvas",
                "#table tbody tr",
            )
        }
        assert list(counts.values()) == [10, 240, 4, 100], counts
        assert browser.find_element(By.ID, "found").text == "600 of 600 problems"
        ready, loaded = browser.execute_script(_TIMES)
    return f"readable after {ready} ms (wanted: {WANTED_MILLISECONDS}), loaded after {loaded} ms"


_TIMES = """
const [navigation] = performance.getEntriesByType("navigation");
return [document.documentElement.dataset.readyMilliseconds, Math.round(navigation.loadEventEnd)];
"""
