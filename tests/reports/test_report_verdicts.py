"""An evaluated report.html in a real browser: ranks, every answer's verdict, links, barriers."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from reports.report import write_report
from storage.solution_store import SolutionStore
from tests.support.browser import browser_path, file_url, open_browser
from tests.support.page_driver import (
    barriers,
    complaints,
    load,
    one,
    open_problem,
    press,
    seen_at,
    texts,
)
from tests.support.report_page import ReportPage
from tests.support.sessions import write_judgements, write_session
from tests.support.store_records import solution, validation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser_path() is None, reason="NO-BROWSER: chromium and chromium-driver"),
]
SAMPLES = 5
UNSOLVED = ("category_01_2", "category_02_4")
ATTACK = (
    "</script><script>document.title='RUN'</script><img src=x onerror=\"document.title='RUN'\">"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def judged_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 problems, 3 models, 5 samples; no answer to two of the problems passes."""
    folder = tmp_path_factory.mktemp("judged")
    store = write_session(folder, models=3, categories=3, per_category=4, samples=SAMPLES)
    write_judgements(store, unsolved=UNSOLVED)
    return write_report(store)


@pytest.fixture
def page(browser: WebDriver, judged_report: Path) -> WebDriver:
    return load(browser, judged_report)


def test_the_ranked_table_comes_first_and_says_how_ranks_are_shared(
    page: WebDriver, judged_report: Path
) -> None:
    ranking = ReportPage(judged_report).overview["ranking"]
    assert texts(page, "main h2")[0] == "Which model is right, and what it costs"
    assert "where the test finds no difference, models share a rank" in one(page, "#rank-rule").text
    assert texts(page, "#ranking tbody th") == [row["label"] for row in ranking]
    assert texts(page, "#ranking tbody .rank") == [str(row["rank"]) for row in ranking]
    headings = texts(page, "#ranking thead th")
    assert headings[:3] == ["Rank", "Model", "pass@1"]
    for wanted in ("Valid", "Cost per 100", "Cost per solved", "Median", "p95", "Tokens out"):
        assert wanted in headings
    first = ranking[0]["rates"][0]
    shown = one(page, "#ranking tbody td.rate")
    assert shown.text.startswith(f"{100 * first['rate']:.1f} %")
    bar = page.execute_script(_BAR, shown)
    expected = [first["low"], first["high"]]
    assert bar == pytest.approx(expected, abs=0.02)
    assert complaints(page) == []


_BAR = """
const bar = arguments[0].querySelector(".bar").getBoundingClientRect();
const whisker = arguments[0].querySelector(".whisker").getBoundingClientRect();
return [(whisker.left - bar.left) / bar.width, (whisker.right - bar.left) / bar.width];
"""


def test_the_ranked_table_sorts_by_key(page: WebDriver, judged_report: Path) -> None:
    ranking = ReportPage(judged_report).overview["ranking"]
    heading = texts(page, "#ranking thead th").index("Cost per 100") + 1
    cell = f"#ranking thead th:nth-child({heading})"
    page.execute_script("arguments[0].focus()", one(page, f"{cell} button"))
    press(page, Keys.ENTER)
    assert one(page, cell).get_attribute("aria-sort") == "ascending"
    by_cost = sorted(ranking, key=lambda row: row["cost_per_problem"])
    assert texts(page, "#ranking tbody th") == [row["label"] for row in by_cost]
    press(page, Keys.ENTER)  # the heading has kept the focus
    assert one(page, cell).get_attribute("aria-sort") == "descending"
    assert texts(page, "#ranking tbody th")[0] == by_cost[-1]["label"]


def test_what_being_right_costs_is_drawn_and_there_as_a_table(
    page: WebDriver, judged_report: Path
) -> None:
    ranking = ReportPage(judged_report).overview["ranking"]
    canvas = one(page, "#pass-cost canvas")
    label = canvas.get_attribute("aria-label") or ""
    assert all(f"{row['label']}: " in label for row in ranking)
    WebDriverWait(page, 60).until(lambda b: b.execute_script(_IS_INKED, canvas))
    page.execute_script("document.querySelector('#pass-cost details').open = true")
    WebDriverWait(page, 60).until(lambda b: len(texts(b, "#pass-cost tbody tr")) == len(ranking))
    beaten = {row["label"]: "no" if row["is_on_front"] else "yes" for row in ranking}
    cells = texts(page, "#pass-cost tbody td:nth-child(5)")
    assert dict(zip(texts(page, "#pass-cost tbody th"), cells, strict=True)) == beaten


_IS_INKED = """
const canvas = arguments[0];
return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
  .data.some((value) => value > 0);
"""


def test_without_prices_the_chart_says_why_there_is_none(
    browser: WebDriver, tmp_path: Path
) -> None:
    store = SolutionStore(tmp_path, "session_1")
    store.append(solution(model="unpriced", cost_usd=None))
    store.append(solution(model="free", cost_usd=0.0))
    store.finish()
    write_judgements(store)
    load(browser, write_report(store))
    assert "nothing to weigh against" in one(browser, "#pass-cost").text
    assert complaints(browser) == []


def test_the_heat_map_switches_between_passed_and_valid(
    page: WebDriver, judged_report: Path
) -> None:
    found = ReportPage(judged_report)
    cell = "#heat tbody tr:first-child td:nth-child(3) button"  # model-0, category_01
    for kind, counts in (
        ("passed", found.model("model-0")["tests"]["categories"][1]),
        ("valid", found.model("model-0")["categories"][1]),
        ("passed", found.model("model-0")["tests"]["categories"][1]),
    ):
        page.execute_script("arguments[0].click()", one(page, f"#heat-kind input[value={kind}]"))
        said = f"model-0, category_01: {counts[0]} of {counts[1]} {kind}"
        assert (one(page, cell).get_attribute("aria-label") or "").startswith(said)
    assert found.model("model-0")["categories"][1] != counts


def test_filters_find_what_all_failed_and_what_separates_the_models(
    page: WebDriver, judged_report: Path
) -> None:
    Select(one(page, "#show")).select_by_value("unpassed")
    assert texts(page, "#table tbody th") == list(UNSOLVED)
    overview = ReportPage(judged_report).overview
    counts = list(zip(*(model["tests"]["samples"] for model in overview["models"]), strict=True))
    separating = [
        task
        for task, of_models in zip(overview["problems"]["task_id"], counts, strict=True)
        if any(passed for passed, _ in of_models)
        and any(judged and not passed for passed, judged in of_models)
    ]
    Select(one(page, "#show")).select_by_value("separate")
    assert texts(page, "#table tbody th") == separating


def test_every_sample_stands_there_with_its_first_failing_test(page: WebDriver) -> None:
    Select(one(page, "#show")).select_by_value("unpassed")
    open_problem(page, 1)
    rows = texts(page, "#answers tbody tr")
    assert len(rows) == 3 * SAMPLES
    judged = [row for row in rows if "wrong answer" in row]
    assert len(judged) >= 3 * SAMPLES - 1  # but for a call that failed
    for wanted in ("1 of 3", "func() == [1, 2]", "came [1, 2]", "0.25 s", "17 MB"):
        assert wanted in judged[0]
    side = one(page, ".sides section").text
    assert "First failing test (number 2)" in side
    assert "Expected" in side and "What came" in side and "17 MB" in side


def test_two_samples_of_one_model_stand_side_by_side(page: WebDriver) -> None:
    open_problem(page, 1)
    for which, sample in (("left", 2), ("right", 4)):
        button = one(page, f"#pick-{which}-{sample - 1}")
        assert button.accessible_name == f"model-0, sample {sample}: show on the {which}"
        button.send_keys(Keys.ENTER)
        focused = page.switch_to.active_element
        assert focused.get_attribute("id") == f"pick-{which}-{sample - 1}"
        assert focused.get_attribute("aria-pressed") == "true"
    for said, sample in zip(texts(page, ".samples"), (2, 4), strict=True):
        assert f"sample {sample} of 5" in said
    assert len(texts(page, "#answers [aria-pressed=true]")) == 2


def test_a_link_from_elsewhere_opens_its_problem(browser: WebDriver, judged_report: Path) -> None:
    url = file_url(judged_report)
    browser.get("about:blank")
    browser.get(f"{url}#problem=category_02_4")
    title = "category_02_4 · category_02"
    WebDriverWait(browser, 60).until(lambda b: one(b, "#detail-title").text == title)
    browser.execute_script("location.hash = '#problem=category_01_2'")
    WebDriverWait(browser, 60).until(lambda b: "category_01_2" in one(b, "#detail-title").text)
    press(browser, Keys.ARROW_RIGHT)
    WebDriverWait(browser, 60).until(lambda b: b.current_url == f"{url}#problem=category_01_3")
    press(browser, Keys.ESCAPE)
    WebDriverWait(browser, 60).until(lambda b: b.current_url == url)
    assert complaints(browser) == []


@pytest.mark.parametrize("name", ["gone_1", "%", "100%25", ATTACK])
def test_a_link_to_no_problem_says_so(browser: WebDriver, judged_report: Path, name: str) -> None:
    browser.get("about:blank")
    browser.get(f"{file_url(judged_report)}#problem={quote(name) if name == ATTACK else name}")
    said = one(browser, "#found").text
    assert said == f"This session has no problem called {name.replace('%25', '%')}."
    assert one(browser, "#detail").get_attribute("open") is None
    assert browser.title == "session_1 - collected solutions"


def test_names_and_test_output_run_nothing(browser: WebDriver, tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    for sample in (1, 2):
        hostile = solution(ATTACK, ATTACK, ATTACK, verdict=validation(valid=False))
        store.append(msgspec.structs.replace(hostile, sample=sample))
    store.append(solution(ATTACK, "second"))
    store.finish()
    write_judgements(store, isolation=ATTACK, text=ATTACK)
    report = write_report(store)
    load(browser, report)
    browser.get(f"{file_url(report)}#problem={quote(ATTACK)}")
    browser.refresh()
    WebDriverWait(browser, 60).until(lambda b: texts(b, "#answers tbody tr"))
    assert ATTACK in "".join(texts(browser, ".evidence pre"))
    assert ATTACK in "".join(texts(browser, "#ranking tbody th"))
    assert ATTACK in one(browser, "#evaluation").text
    assert browser.title == "session_1 - collected solutions"
    assert browser.find_elements(By.CSS_SELECTOR, "img") == []
    assert complaints(browser) == []


def test_without_an_evaluation_the_page_shows_what_it_can(
    browser: WebDriver, tmp_path: Path
) -> None:
    store = write_session(tmp_path, models=2, categories=1, per_category=3)
    load(browser, write_report(store))
    assert f"python scripts/evaluate_session.py {store.path}" in one(browser, "#evaluation").text
    assert not one(browser, "#right").is_displayed()
    assert not one(browser, "#heat-kind").is_displayed()
    assert "Valid rate" in one(browser, "#models thead").text
    open_problem(browser, 1)
    assert len(texts(browser, "#answers tbody tr")) == 2
    assert barriers(browser) == []


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280, 1600])
def test_nothing_bars_the_way_of_a_reader(judged_report: Path, is_dark: bool, width: int) -> None:
    with open_browser(is_dark=is_dark) as browser, seen_at(browser, width):
        load(browser, judged_report)
        assert browser.execute_script("return document.documentElement.scrollWidth") == width
        browser.execute_script(_OPEN_FOLDS)
        assert barriers(browser) == []
        open_problem(browser, 1)
        browser.execute_script(_OPEN_FOLDS)
        assert barriers(browser) == []


_OPEN_FOLDS = "for (const fold of document.querySelectorAll('details')) fold.open = true;"
