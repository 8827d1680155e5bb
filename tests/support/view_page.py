"""scripts/view.py as a process, and its page in a browser."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT

from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from tests.support.program import Program

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/")


@asynccontextmanager
async def view(output: Path) -> AsyncIterator[str]:
    """Yield the address of a page over a folder of sessions; Ctrl-C ends it, with exit code 0."""
    program = await Program.start(
        "view.py", "--output-dir", str(output), "--port", "0", "--no-browser", environment={}
    )
    try:
        await program.says("Ctrl-C ends")
        found = _ADDRESS.search(program.heard)
        assert found, program.heard
        yield found[0]
    finally:
        program.send(SIGINT)
        finished = await program.finished()
    assert (finished.exit_code, finished.stderr) == (0, ""), finished.output


def board_rows(browser: WebDriver) -> list[dict[str, str]]:
    """Return each row of the boards as heading -> text."""
    script = """
      return [...document.querySelectorAll(".board .ranking")].flatMap((table) => {
        const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
        return [...table.tBodies[0].rows].map((row) => Object.fromEntries(
          [...row.cells].map((cell, place) => [names[place], cell.textContent])));
      });
    """
    rows: list[dict[str, str]] = browser.execute_script(script)
    return rows


def lanes(browser: WebDriver) -> dict[str, str]:
    """Return model -> what stands beside its bar."""
    found = browser.find_elements(By.CSS_SELECTOR, ".lane")
    return {
        str(lane.get_attribute("data-model")): lane.find_element(By.CSS_SELECTOR, ".words").text
        for lane in found
    }


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer to one request; headers: by name in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


async def asked(
    address: str, target: str, *more: str, method: str = "GET", host: str | None = "own"
) -> Answered:
    """Return the answer to one request, sent as it stands, byte for byte.

    more: further header lines. host: None for no Host at all.
    """
    port = int(address.rsplit(":", 1)[1].strip("/"))
    named = [] if host is None else [f"Host: {f'127.0.0.1:{port}' if host == 'own' else host}"]
    lines = [f"{method} {target} HTTP/1.1", *named, *more, "Connection: close", "", ""]
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write("\r\n".join(lines).encode())
        content = await reader.read()
        writer.close()
    head, _, body = content.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in rest)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Answered(int(first.split()[1]), headers, body)
