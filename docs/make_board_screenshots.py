"""Makes the pictures of the local page again: two evaluated sessions, and one that is running.

    .venv/bin/python docs/make_board_screenshots.py

Needs what make_screenshots.py needs. The runs, their evaluation and the page are real; the models
and what they charge are made up.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from selenium.webdriver.common.by import By  # noqa: E402 - after the path is set
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from docs.demo_server import DEMO_MODELS, DemoModel, DemoServer  # noqa: E402
from docs.make_screenshots import IMAGES, price_answers  # noqa: E402
from prompts.problems import load_problems  # noqa: E402
from tests.support.browser import open_browser  # noqa: E402
from tests.support.view_page import view  # noqa: E402

STARTER = ROOT / "dataset" / "starter"
ENDED = {"session_1795422699": tuple(DEMO_MODELS), "session_1795430011": tuple(DEMO_MODELS)[1:4]}
RUNNING = "session_1795441207"
ENOUGH_SECONDS = 20.0  # of the run that is watched, before the pictures are taken
PICTURES = (("board", 1280, False), ("board-dark", 1280, True), ("board-phone", 390, False))
HEIGHT = 1240


def models(seconds: float, names: tuple[str, ...] = tuple(DEMO_MODELS)) -> Mapping[str, DemoModel]:
    """Return the demo models, all of one speed."""
    return {name: replace(DEMO_MODELS[name], seconds=seconds) for name in names}


async def command(script: str, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
    """Return a command of the project, started."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, f"scripts/{script}", *arguments),
        cwd=ROOT,
        env={**os.environ, **environment},
    )


async def collect(
    folder: Path, server: DemoServer, session: str, names: tuple[str, ...], *more: str
) -> asyncio.subprocess.Process:
    """Return a run, started."""
    flags = ("--output-dir", str(folder), "--session-id", session, "--max-concurrent", "3", *more)
    named = (f"local:{name}" for name in names)
    run = "run_collection.py"
    return await command(run, "--models", *named, *flags, LOCAL_BASE_URL=server.url)


async def make_ended(folder: Path) -> None:
    """Make the sessions that have ended, and evaluate them."""
    for seed, (session, names) in enumerate(ENDED.items()):
        async with DemoServer(load_problems(STARTER), Random(seed), models(0.02)) as server:
            await (await collect(folder, server, session, names)).wait()
        price_answers(folder / session)
        judging = await command("evaluate_session.py", session, "--output-dir", str(folder))
        await judging.wait()


def save(address: str, name: str, width: int, is_dark: bool) -> None:
    """Write one picture of the page."""
    with open_browser(is_dark=is_dark) as browser:
        size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(address)
        waiting = WebDriverWait(browser, 30)
        waiting.until(lambda b: b.find_elements(By.CSS_SELECTOR, ".run .last"))
        browser.save_screenshot(str(IMAGES / f"{name}.png"))


async def main() -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await make_ended(folder)
        async with DemoServer(load_problems(STARTER), Random(9), models(4.0)) as server:
            run = await collect(folder, server, RUNNING, tuple(DEMO_MODELS), "--evaluate", "auto")
            await asyncio.sleep(ENOUGH_SECONDS)
            async with view(folder) as address:
                for picture in PICTURES:
                    await asyncio.to_thread(save, address, *picture)
            run.terminate()
            await run.wait()


if __name__ == "__main__":
    asyncio.run(main())
