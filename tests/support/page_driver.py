"""What a reader does with a page in a real browser, and what can be asked of it meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.browser import file_url

_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(
  ({ violations }) => done(violations.map(({ id, impact, nodes }) =>
    [id, impact, nodes.map((node) => node.html)])),
  (error) => done([["axe failed", "critical", [String(error)]]]));
"""


def load(browser: WebDriver, report: Path) -> WebDriver:
    log_of(browser, "browser")
    browser.get("about:blank")
    browser.get(file_url(report))
    return browser


def ready_milliseconds(browser: WebDriver) -> int:
    value = browser.find_element(By.TAG_NAME, "html").get_attribute("data-ready-milliseconds")
    assert value, complaints(browser)
    return int(value)


def complaints(browser: WebDriver) -> list[str]:
    return [str(entry["message"]) for entry in log_of(browser, "browser")]


def log_of(browser: WebDriver, kind: str) -> list[dict[str, str]]:
    """Return what the browser logged since the last call."""
    entries: list[dict[str, str]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def one(browser: WebDriver, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def texts(browser: WebDriver, selector: str) -> list[str]:
    found = browser.find_elements(By.CSS_SELECTOR, selector)
    return [(element.get_attribute("textContent") or "").strip() for element in found]


def open_problem(browser: WebDriver, row: int, model: int | None = None) -> WebElement:
    column = "th" if model is None else f"td:nth-child({6 + model})"
    button = one(browser, f"#table tbody tr:nth-child({row}) {column} button")
    browser.execute_script("arguments[0].click()", button)
    WebDriverWait(browser, 60).until(lambda b: one(b, "#detail").get_attribute("open") is not None)
    return one(browser, "#detail")


def press(browser: WebDriver, *keys: str) -> None:
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def active_text(browser: WebDriver) -> str:
    return (browser.switch_to.active_element.get_attribute("textContent") or "").strip()


@contextmanager
def seen_at(browser: WebDriver, width: int) -> Iterator[None]:
    """Give the page a window of so many pixels inside, for as long as this is open."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def barriers(browser: WebDriver) -> list[tuple[str, list[str]]]:
    """Return what axe-core calls serious or worse on the page as it is: (rule, elements)."""
    browser.execute_script((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    browser.set_script_timeout(120)
    found = browser.execute_async_script(_AXE)
    return [(rule, nodes) for rule, impact, nodes in found if impact in ("serious", "critical")]
