"""A real headless Chromium for tests and screenshots, driven by selenium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser_path() -> str | None:
    """Return where a browser with its driver is installed, None where there is none."""
    if shutil.which("chromedriver") is None:
        return None
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def open_browser(
    *, width: int = 1400, height: int = 1000, is_dark: bool = False
) -> Iterator[webdriver.Chrome]:
    """Yield a browser with no network: every host name leads nowhere."""
    binary, driver = browser_path(), shutil.which("chromedriver")
    assert binary and driver, "ask browser_path() first"
    options = Options()
    options.binary_location = binary
    for argument in (
        "--headless=new",
        "--no-sandbox",  # the sandbox needs rights that containers do not have
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--force-device-scale-factor=1",
        "--hide-scrollbars",
        "--lang=en-US",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--disable-background-networking",
        f"--window-size={width},{height}",
        *(["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if is_dark else []),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def file_url(path: Path) -> str:
    return path.resolve().as_uri()
