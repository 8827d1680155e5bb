"""The shell of every page: one style sheet, its scripts, and a policy that stops all else."""

import base64
import hashlib
import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PIECE = 2**20  # characters
_ASSETS = Path(__file__).parent / "assets"
_STYLE = "style.css"
# Without it Prism would colour every <code> of the page by itself as soon as it is loaded.
_BEFORE_LIBRARIES = "window.Prism = { manual: true, disableWorkerMessageHandler: true };"


@dataclass(frozen=True, slots=True)
class Library:
    """Files of a library in assets/vendor, and its licence."""

    files: tuple[str, ...]
    licence: str


CHARTS = Library(("chart.umd.min.js",), "LICENSE-chart.js.txt")
COLOURS = Library(("prism-core.min.js", "prism-python.min.js"), "LICENSE-prismjs.txt")
COMPARISON = Library(("diff.min.js",), "LICENSE-diff.txt")


@dataclass(frozen=True, slots=True)
class Shell:
    """A page that is one file.

    body: the asset with its markup. scripts: assets, run in this order in one scope.
    connects: it may ask the server that it came from.
    """

    body: str
    scripts: tuple[str, ...]
    libraries: tuple[Library, ...] = (CHARTS,)
    connects: bool = False

    @property
    def policy(self) -> str:
        """The Content-Security-Policy of the page."""
        scripts = " ".join(map(_source, self._scripts()))
        connect = "connect-src 'self'; " if self.connects else ""
        return (
            f"default-src 'none'; script-src {scripts}; style-src {_source(asset(_STYLE))}; "
            f"{connect}img-src data:; base-uri 'none'; form-action 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )

    def start(self, title: str) -> str:
        """Return the page up to where its data blocks go."""
        style = asset(_STYLE)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{self.policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="referrer" content="no-referrer">\n'
            f"<title>{html.escape(title)}</title>\n"
            f"<style>{style}</style>\n</head>\n{asset(self.body)}"
        )

    def end(self) -> str:
        """Return the rest of the page: the libraries' licences, and the scripts."""
        licences = "\n\n".join(asset(f"vendor/{library.licence}") for library in self.libraries)
        scripts = "".join(f"<script>{text}</script>\n" for text in self._scripts())
        folded = f'<pre id="licences" tabindex="0" hidden>{html.escape(licences)}</pre>\n'
        return f"{folded}{scripts}</body>\n</html>\n"

    def _scripts(self) -> Iterator[str]:
        if COLOURS in self.libraries:
            yield _BEFORE_LIBRARIES
        for library in self.libraries:
            for name in library.files:
                yield asset(f"vendor/{name}").partition("\n//# sourceMappingURL=")[0]
        own = "".join(asset(name) for name in self.scripts)
        yield f'"use strict";\n(() => {{\n{own}}})();\n'


def data_block(name: str, text: str) -> str:
    """Return an element that holds JSON or base64; no text in it can end it or run."""
    return "".join(data_pieces(name, text))


def data_pieces(name: str, text: str) -> Iterator[str]:
    """Yield the same in pieces, for a text of which there should not be several copies."""
    yield f'<script type="application/json" id="{name}">'
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE].replace("<", "\\u003c")
    yield "</script>\n"


def asset(name: str) -> str:
    """Return a file of the pages."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
