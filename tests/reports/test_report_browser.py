"""report.html in a real headless Chromium: seen, searched, opened, walked by keys, attacked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from reports.report import write_report
from storage.solution_store import SolutionStore
from tests.support.browser import browser_path, file_url, open_browser
from tests.support.page_driver import (
    active_text,
    complaints,
    load,
    log_of,
    one,
    open_problem,
    press,
    ready_milliseconds,
    seen_at,
    texts,
)
from tests.support.report_page import ReportPage
from tests.support.sessions import write_judgements, write_session
from tests.support.store_records import failure, solution, validation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser_path() is None, reason="NO-BROWSER: chromium and chromium-driver"),
]
ATTACK = (
    "</script><script>document.title='RUN'</script><img src=x onerror=\"document.title='RUN'\">"
    "<!--<script>"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def big_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 problems, 10 models."""
    folder = tmp_path_factory.mktemp("big")
    return write_report(write_session(folder, models=10, categories=24, per_category=25))


@pytest.fixture
def page(browser: WebDriver, big_report: Path) -> WebDriver:
    return load(browser, big_report)


def test_600_problems_of_10_models_are_shown_at_once(
    browser: WebDriver, big_report: Path, record_property: Callable[[str, object], None]
) -> None:
    load(browser, big_report)
    record_property("ready_milliseconds", ready_milliseconds(browser))
    assert complaints(browser) == []
    assert one(browser, "#found").text == "600 of 600 problems"
    assert len(browser.find_elements(By.CSS_SELECTOR, "#table tbody tr")) == 100
    assert len(browser.find_elements(By.CSS_SELECTOR, "#models tbody tr")) == 10
    assert len(browser.find_elements(By.CSS_SELECTOR, "#heat tbody button")) == 240


def test_the_page_asks_no_network(browser: WebDriver, big_report: Path) -> None:
    log_of(browser, "performance")
    load(browser, big_report)
    open_problem(browser, 1)
    asked = []
    for entry in log_of(browser, "performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    assert [url for url in asked if not url.startswith(("about:", "data:"))] == [
        file_url(big_report)
    ]


def test_charts_are_drawn_named_and_there_as_tables(page: WebDriver) -> None:
    figures = page.find_elements(By.CSS_SELECTOR, "#charts figure")
    assert len(figures) == 4
    for figure in figures:
        canvas = figure.find_element(By.TAG_NAME, "canvas")
        assert canvas.get_attribute("role") == "img"
        assert canvas.get_attribute("aria-label")
        WebDriverWait(page, 60).until(lambda b: b.execute_script(_IS_INKED, canvas))  # noqa: B023
        page.execute_script("arguments[0].open = true", figure.find_element(By.TAG_NAME, "details"))
    WebDriverWait(page, 60).until(
        lambda b: len(b.find_elements(By.CSS_SELECTOR, "#charts tbody:has(tr)")) == 4
    )


_IS_INKED = """
const canvas = arguments[0];
return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
  .data.some((value) => value > 0);
"""


def test_search_and_filters_narrow_the_list(page: WebDriver, big_report: Path) -> None:
    expected = ReportPage(big_report).overview
    one(page, "#search").send_keys("category_07_1")
    assert one(page, "#found").text == "11 of 600 problems"  # 1 and 10 to 19
    one(page, "#search").clear()
    Select(one(page, "#category")).select_by_visible_text("category_03")
    assert one(page, "#found").text == "25 of 600 problems"
    Select(one(page, "#category")).select_by_index(0)
    columns = list(zip(*(model["verdicts"] for model in expected["models"]), strict=True))
    kinds = {"none": sum("v" not in letters for letters in columns)}
    kinds["differ"] = sum(len(set(letters)) > 1 for letters in columns)
    kinds["f"] = sum("f" in letters for letters in columns)
    for kind, count in kinds.items():
        Select(one(page, "#show")).select_by_value(kind)
        assert one(page, "#found").text == f"{count} of 600 problems"


def test_a_heat_cell_chooses_its_category(page: WebDriver) -> None:
    cell = one(page, "#heat tbody tr:nth-child(2) td:nth-child(5) button")
    label = cell.get_attribute("aria-label") or ""
    assert label.startswith("model-1, category_03: ")
    page.execute_script("arguments[0].click()", cell)
    assert set(texts(page, "#table tbody td:nth-child(2)")) == {"category_03"}


def test_columns_sort_both_ways_and_say_so(page: WebDriver) -> None:
    def click_heading(number: int) -> WebElement:
        heading = f"#table thead th:nth-child({number})"
        page.execute_script("arguments[0].click()", one(page, f"{heading} button"))
        return one(page, heading)

    assert click_heading(5).get_attribute("aria-sort") == "ascending"
    solved = [int(text.split("/")[0]) for text in texts(page, "#table tbody td:nth-child(5)")]
    assert solved == sorted(solved)
    assert click_heading(5).get_attribute("aria-sort") == "descending"
    assert texts(page, "#table tbody td:nth-child(5)")[0] == "10/10"
    assert click_heading(1).get_attribute("aria-sort") == "ascending"
    names = texts(page, "#table tbody th")
    assert names[:3] == ["category_00_1", "category_00_2", "category_00_3"]


def test_a_click_opens_everything_about_a_problem(page: WebDriver, big_report: Path) -> None:
    body = ReportPage(big_report).body("category_00_1")
    assert body is not None
    open_problem(page, 1)
    shown = "\n".join(texts(page, "#detail-body"))
    assert texts(page, "#detail-title") == ["category_00_1 · category_00"]
    left, right = (Select(one(page, f"#choose-{side}")) for side in ("left", "right"))
    assert left.first_selected_option.text == "model-0"
    assert right.first_selected_option.text == "model-1"
    assert body["problem"] in shown
    assert body["prompt"]["user"] in shown
    assert body["reference"].strip() in shown
    for answer in body["answers"][:2]:
        assert answer["record"]["raw_response"].strip() in shown
        assert answer["record"]["extracted_solution"].strip() in shown
    for heading in ("Validation", "Timing, tokens and cost", "Waited before", "Reference solution"):
        assert heading in shown
    assert "def" in texts(page, "#detail-body .token.keyword")
    assert complaints(page) == []


def test_the_settings_of_the_run_are_there(page: WebDriver) -> None:
    assert "batch_size10" in texts(page, "#settings dl")[0].replace("\n", "")


def test_two_models_stand_side_by_side_with_their_difference(
    browser: WebDriver, tmp_path: Path
) -> None:
    store = SolutionStore(tmp_path, "session_1")
    store.append(solution(model="one", code="a = 1\nb = 2\nc = 3\n"))
    store.append(solution(model="three", code="a = 1\nb = 2\nc = 3\n"))
    store.append(solution(model="two", code="a = 1\nb = 20\nc = 3\nd = 4\n"))
    load(browser, write_report(store))
    open_problem(browser, 1)
    assert "same, letter for letter" in one(browser, "#detail-body").text
    Select(one(browser, "#choose-right")).select_by_visible_text("two")
    assert texts(browser, "#difference .removed") == ["\u2212", "b = 2"]
    assert texts(browser, "#difference .added") == ["+", "b = 20", "+", "d = 4"]
    assert len(browser.find_elements(By.CSS_SELECTOR, "#difference tbody tr")) == 4
    assert active_text(browser).startswith("one")


def test_two_long_answers_that_have_nothing_in_common_do_not_freeze_the_page(
    browser: WebDriver, tmp_path: Path
) -> None:
    store = SolutionStore(tmp_path, "session_1")
    for place, model in enumerate(("one", "two")):
        lines = "".join(f"{'xy'[n % (place + 2) == 0]}\n" for n in range(14_900))
        store.append(solution(model=model, code=lines))
        harm = '"\\' * 20_000  # a string that ends nowhere, again and again
        store.append(solution("dataclass_2", model=model, code=f"{harm}{model}"))
    browser.set_script_timeout(60)
    load(browser, write_report(store))
    open_problem(browser, 1)
    said = one(browser, "#not-compared").text
    assert said == "The two differ in more than 600 lines: that is too much to compare here."
    press(browser, Keys.ARROW_RIGHT)
    WebDriverWait(browser, 60).until(lambda b: active_text(b).startswith("dataclass_2"))
    assert "too long to compare" in one(browser, "#not-compared").text
    assert complaints(browser) == []


def test_values_that_no_run_wrote_leave_the_page_usable(browser: WebDriver, tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    odd = {"syntax": None, "structure": {"found_names": "f"}, "imports": {"from_imports": 7}}
    store.append(solution(model="one", verdict=odd))
    load(browser, write_report(store))
    open_problem(browser, 1)
    assert "Validation" in one(browser, "#detail-body").text
    assert complaints(browser) == []


def test_names_that_every_object_has_leave_the_page_usable(
    browser: WebDriver, tmp_path: Path
) -> None:
    store = SolutionStore(tmp_path, "session_1")
    for name in ("constructor", "__proto__", "toString"):
        store.append(solution(name, name, name))
    load(browser, write_report(store))
    open_problem(browser, 1)
    assert ready_milliseconds(browser) >= 0
    assert complaints(browser) == []


def test_the_list_is_walked_by_keys_and_gives_the_focus_back(page: WebDriver) -> None:
    page.execute_script("document.querySelector('#table tbody button').focus()")
    press(page, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    label = page.switch_to.active_element.get_attribute("aria-label") or ""
    assert label.startswith("model-1: ")
    assert len(page.find_elements(By.CSS_SELECTOR, '#table tbody [tabindex="0"]')) == 1
    press(page, Keys.ENTER)
    WebDriverWait(page, 60).until(lambda b: active_text(b) == "category_00_2 · category_00")
    press(page, Keys.ARROW_RIGHT)
    WebDriverWait(page, 60).until(lambda b: active_text(b).startswith("category_00_3"))
    press(page, Keys.ESCAPE)
    WebDriverWait(page, 60).until(lambda b: one(b, "#detail").get_attribute("open") is None)
    assert page.switch_to.active_element.get_attribute("aria-label") == label


def test_every_control_has_a_name(page: WebDriver) -> None:
    kinds = "button, select, input, canvas, summary"
    controls = page.find_elements(By.CSS_SELECTOR, kinds)[::25]
    open_problem(page, 1)
    inside = page.find_elements(By.CSS_SELECTOR, f"#detail :is({kinds})")
    assert one(page, "#detail").accessible_name == "category_00_1 · category_00"
    assert [c.get_attribute("outerHTML") for c in inside if not c.accessible_name] == []
    press(page, Keys.ESCAPE)
    assert [c.get_attribute("outerHTML") for c in controls if not c.accessible_name] == []
    assert one(page, "#table").aria_role == "grid"
    assert one(page, "html").get_attribute("lang") == "en"


def test_a_reply_runs_nothing(browser: WebDriver, tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    store.append(
        solution(
            ATTACK,
            ATTACK,
            ATTACK,
            problem=ATTACK,
            raw_response=ATTACK,
            code=ATTACK,
            verdict={**validation(valid=False), "syntax": {"is_valid": False, "error": ATTACK}},
        )
    )
    store.append_failure(failure(ATTACK, "second"))
    load(browser, write_report(store))
    open_problem(browser, 1)
    assert browser.title == "session_1 - collected solutions"
    assert ATTACK in texts(browser, "#detail-body pre")
    assert browser.find_elements(By.CSS_SELECTOR, "img") == []
    assert complaints(browser) == []


def test_the_policy_stops_what_the_escaping_would_miss(page: WebDriver) -> None:
    refused = page.execute_script(
        """
        const refused = [];
        const attempt = (name, work) => { try { work(); } catch (error) { refused.push(name); } };
        attempt("markup", () => { document.body.innerHTML += "<img src=x onerror=alert(1)>"; });
        const code = "document.title = 'RUN'";
        attempt("handler", () => { document.body.setAttribute("onclick", code); });
        const script = document.createElement("script");
        attempt("script", () => { script.textContent = code; });
        script.append(code);
        attempt("append", () => { document.body.append(script); });
        document.body.click();
        return refused;
        """
    )
    assert {"markup", "handler", "script"} <= set(refused)
    assert page.title == "session_1 - collected solutions"
    assert page.find_elements(By.CSS_SELECTOR, "img") == []


def test_texts_that_were_left_out_are_said_to_be(browser: WebDriver, tmp_path: Path) -> None:
    store = write_session(tmp_path, models=2, categories=1, per_category=2)
    load(browser, write_report(store, most_body_bytes=10))
    assert "texts of 2 of 2 problems are not in this page" in one(browser, "#notes").text
    assert "does not hold the texts" in open_problem(browser, 1).text


def test_an_empty_session_is_a_page_too(browser: WebDriver, tmp_path: Path) -> None:
    load(browser, write_report(SolutionStore(tmp_path, "session_1")))
    assert ready_milliseconds(browser) >= 0
    assert complaints(browser) == []
    assert one(browser, "#found").text == "0 of 0 problems"


def test_a_whole_row_opens_and_says_what_is_missing(browser: WebDriver, tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    asked = msgspec.structs.replace(solution(code="", raw_response="I use hooks."), name="react")
    store.append(asked)
    store.finish()
    load(browser, write_report(store))
    one(browser, "#table tbody td.title").click()
    WebDriverWait(browser, 60).until(lambda b: "none of it defines react" in one(b, "#detail").text)
    assert complaints(browser) == []


def test_a_chart_without_figures_says_none(browser: WebDriver, tmp_path: Path) -> None:
    load(browser, write_report(SolutionStore(tmp_path, "session_1")))
    figures = browser.find_elements(By.CSS_SELECTOR, "#charts figure")
    assert [figure.text.splitlines()[-1] for figure in figures] == ["none"] * 4
    assert browser.find_elements(By.CSS_SELECTOR, "#charts canvas") == []


def test_the_problems_first_line_uses_the_room_there_is(browser: WebDriver, tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    store.append(solution(problem="Write words, and more of them, " * 3))
    store.finish()
    with seen_at(browser, 1400):
        load(browser, write_report(store))
        cell = one(browser, "#table tbody td.title")
        assert cell.rect["width"] > 900
        assert browser.execute_script("return arguments[0].scrollWidth", cell) <= cell.rect["width"]


def test_right_and_wrong_stand_in_the_tables(browser: WebDriver, tmp_path: Path) -> None:
    store = write_session(tmp_path, models=2, categories=1, per_category=5)
    write_judgements(store, "none")
    load(browser, write_report(store))
    assert "UNSAFE" in one(browser, "#evaluation.unsafe").text
    assert "Passed" in one(browser, "#models thead").text
    assert "Passed in" in one(browser, "#table thead").text
    detail = open_problem(browser, 1)
    assert "tests passed in 0.25 s" in detail.text and "without a sandbox" in detail.text
    assert complaints(browser) == []


LONG_NAMES = [
    "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    *(f"claude-opus-4-{n}-20260115" for n in range(4)),
    *(f"gpt-6.{n}-terra-2026-10-01" for n in range(5)),
]


@pytest.fixture(scope="module")
def long_names_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 categories, 10 models with long names and many tokens."""
    folder = tmp_path_factory.mktemp("long")
    store = write_session(
        folder, models=10, categories=24, per_category=2, labels=LONG_NAMES, tokens=200_000
    )
    write_judgements(store)
    return write_report(store)


@pytest.mark.parametrize("width", [1280, 1400])
def test_ten_models_and_24_categories_need_no_scrolling_sideways(
    browser: WebDriver, long_names_report: Path, width: int
) -> None:
    with seen_at(browser, width):
        load(browser, long_names_report)
        for table in ("ranking", "models", "heat", "table"):
            inside, outside = browser.execute_script(_WIDTHS, table)
            assert inside <= outside <= width, table
        cut = one(browser, "#models tbody th")
        assert cut.text == cut.get_attribute("title") == LONG_NAMES[0]
        assert one(browser, "#heat tbody th").accessible_name == LONG_NAMES[0]


def test_on_a_phone_the_names_leave_room_for_the_figures(
    browser: WebDriver, long_names_report: Path
) -> None:
    with seen_at(browser, 400):
        load(browser, long_names_report)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 400
        for table in ("ranking", "models", "heat", "table"):
            assert one(browser, f"#{table} tbody th").rect["width"] < 200, table
        open_problem(browser, 1)
        assert browser.execute_script("return document.getElementById('detail').scrollWidth") <= 400


_WIDTHS = """
const around = document.getElementById(arguments[0]).parentElement;
return [around.scrollWidth, around.clientWidth];
"""


@pytest.mark.parametrize("is_dark", [False, True])
def test_text_stands_out_in_light_and_dark(big_report: Path, is_dark: bool) -> None:
    with open_browser(is_dark=is_dark) as browser:
        load(browser, big_report)
        dark = browser.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")
        assert dark is is_dark
        open_problem(browser, 2, 0)
        pairs = browser.execute_script(
            _COLOURS, ["body", ".hint", "#table .v", "#table .n", "summary"]
        )
        for selector, (text, paper) in pairs.items():
            assert contrast(text, paper) >= 4.5, (selector, text, paper)


_COLOURS = """
const numbers = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
const paper = getComputedStyle(document.body).backgroundColor;
return Object.fromEntries(arguments[0].map((selector) => {
  const style = getComputedStyle(document.querySelector(selector));
  return [selector, [numbers(style.color), numbers(paper)]];
}));
"""


def contrast(one: list[float], other: list[float]) -> float:
    """Return the contrast ratio: w3.org/TR/WCAG22, 4.5 is enough for text."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: list[float]) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
