"""Makes docs/images again: a run in a terminal, and the report that it leaves, evaluated.

    .venv/bin/python docs/make_screenshots.py

Needs Chromium with its driver (Debian: chromium chromium-driver) and requirements-dev.txt. The
run is a real one, by scripts/run_collection.py, against the made-up models of demo_server.py, and
so is the evaluation. What the models charge is as made up as they are.
"""

import asyncio
import html
import json
import os
import subprocess
import sys
import tempfile
from operator import mul
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from selenium.webdriver.chrome.webdriver import WebDriver  # noqa: E402 - after the path is set
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

from docs.demo_server import DEMO_MODELS, DemoServer  # noqa: E402
from prompts.problems import load_problems  # noqa: E402
from tests.support.browser import file_url, open_browser  # noqa: E402
from tests.support.terminal import Terminal  # noqa: E402

IMAGES = ROOT / "docs" / "images"
COLUMNS, ROWS = 118, 34
SAMPLES = 5
HEIGHT = 1100
PICTURES = (  # name, width in pixels, dark, with a problem open
    ("report", 1280, False, False),
    ("report-dark", 1280, True, False),
    ("report-phone", 390, False, False),
    ("report-problem", 1280, False, True),
    ("report-problem-phone", 390, True, True),
)
MOMENT_OF_THE_RUN = 0.25  # the picture is taken when so much of the time is over
_PAGE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #14171b; }
pre { margin: 0; padding: 14px 18px; display: inline-block; color: #e6e9ed; background: #14171b;
  font: 14px/1.35 "DejaVu Sans Mono", monospace; }
b { color: #7ad7a0; }
</style><pre><b>$ %s</b>
%s</pre>"""


async def run_demo(folder: Path) -> tuple[Terminal, str]:
    """Return the terminal of a run into folder/demo, and its command line."""
    terminal = Terminal(COLUMNS, ROWS)
    names = [f"local:{name}" for name in DEMO_MODELS]
    shown = ["scripts/run_collection.py", "--models", *names, "--samples", str(SAMPLES)]
    hidden = ["--max-concurrent", "8", "--session-id", "demo", "--output-dir", str(folder)]
    async with DemoServer(load_problems(ROOT / "dataset" / "starter"), Random(7)) as server:
        environment = {**os.environ, "LOCAL_BASE_URL": server.url, "TERM": "xterm-256color"}
        await terminal.run([sys.executable, *shown, *hidden], environment, ROOT)
    return terminal, " ".join(["python", *shown])


def price_answers(session: Path) -> None:
    """Write into every answer what it would have cost: models on this machine cost nothing."""
    for path in session.glob("*/*.jsonl"):
        dollars = DEMO_MODELS[path.parent.name.removeprefix("local-")].dollars
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for record in records:
            used = (record["usage"]["input_tokens"], record["usage"]["output_tokens"])
            record["cost_usd"] = sum(map(mul, used, dollars)) / 1e6
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")


def evaluate(folder: Path) -> None:
    """Judge folder/demo, which also writes its report again."""
    command = ["scripts/evaluate_session.py", "demo", "--output-dir", str(folder)]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)  # noqa: S603 - ours


def save_terminal(browser: WebDriver, text: str, command: str, folder: Path, name: str) -> None:
    """Write a terminal's text as docs/images/<name>."""
    shown = text.replace(f" --output-dir {folder}", "")
    shown = shown.replace(f"{folder}/", "generated/").replace(f"{ROOT}/", "")
    assert str(folder) not in shown
    page = folder / "terminal.html"
    page.write_text(_PAGE % (html.escape(command), html.escape(shown)), encoding="utf-8")
    browser.get(file_url(page))
    browser.find_element(By.TAG_NAME, "pre").screenshot(str(IMAGES / name))


def save_report(report: Path) -> None:
    """Write PICTURES of the page."""
    for name, width, is_dark, is_opened in PICTURES:
        with open_browser(is_dark=is_dark) as browser:
            size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get(file_url(report))
            if is_opened:
                open_telling_problem(browser)
            browser.save_screenshot(str(IMAGES / f"{name}.png"))


def open_telling_problem(browser: WebDriver) -> None:
    """Open a problem at an answer whose tests failed, of as good a model as there is."""
    Select(browser.find_element(By.ID, "show")).select_by_value("wrong")
    signs = browser.find_elements(By.CSS_SELECTOR, "#table td.n button")
    wrong = [sign for sign in signs if (sign.get_attribute("textContent") or "")[:1] == "✗"]
    best = min(wrong, key=lambda sign: int(sign.get_attribute("data-model") or 0))
    browser.execute_script("arguments[0].click()", best)
    WebDriverWait(browser, 10).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#detail-body pre"))


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        terminal, command = asyncio.run(run_demo(folder))
        middle = terminal.pictures[int(len(terminal.pictures) * MOMENT_OF_THE_RUN)]
        with open_browser() as browser:
            save_terminal(browser, middle, command, folder, "run.png")
            save_terminal(browser, terminal.text, command, folder, "summary.png")
        price_answers(folder / "demo")
        evaluate(folder)
        save_report(folder / "demo" / "report.html")


if __name__ == "__main__":
    main()
