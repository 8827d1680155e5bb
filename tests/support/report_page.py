"""What a browser would find in a report.html, read with the standard library."""

import base64
import gzip
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class ReportPage(HTMLParser):
    """A report's elements.

    data: id -> content of data blocks; scripts: what would be run; attributes: (tag, name, value).
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self.scripts: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.title = ""
        self._open: tuple[str, str | None] = ("", None)
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    @property
    def policy(self) -> str:
        return next(
            value for _, name, value in self.attributes if name == "content" and "-src" in value
        )

    @property
    def overview(self) -> dict[str, Any]:
        loaded = json.loads(self.data["overview"])
        assert isinstance(loaded, dict)
        return loaded

    @property
    def notes(self) -> str:
        return " ".join(self.overview["notes"])

    def model(self, label: str) -> dict[str, Any]:
        return next(model for model in self.overview["models"] if model["label"] == label)

    def place(self, task_id: str) -> int:
        """Return a problem's row."""
        place = self.overview["problems"]["task_id"].index(task_id)
        assert isinstance(place, int)
        return place

    def body(self, task_id: str) -> dict[str, Any] | None:
        """Return a problem's texts, None where the page does not hold them."""
        packed = self.data.get(f"body-{self.place(task_id)}")
        if packed is None:
            return None
        loaded = json.loads(gzip.decompress(base64.b64decode(packed, validate=True)))
        assert isinstance(loaded, dict)
        return loaded

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        is_data = tag == "script" and found.get("type") == "application/json"
        self._open = (tag, found.get("id") if is_data else None)
        if tag == "script" and not is_data:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ("", None)

    def handle_data(self, data: str) -> None:
        tag, name = self._open
        if tag == "title":
            self.title += data
        elif tag == "script" and name is not None:
            self.data[name] = self.data.get(name, "") + data
        elif tag == "script":
            self.scripts[-1] += data


def source_of(script: str) -> str:
    """Return how a Content-Security-Policy names a script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
