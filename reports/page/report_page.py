"""The shell of report.html: styles, scripts and the policy under which nothing else can run."""

import base64
import hashlib
import html
from pathlib import Path

_ASSETS = Path(__file__).parent / "assets"
_LIBRARIES = ("chart.umd.min.js", "prism-core.min.js", "prism-python.min.js", "diff.min.js")
_LICENCES = ("LICENSE-chart.js.txt", "LICENSE-prismjs.txt", "LICENSE-diff.txt")
_OWN_SCRIPTS = ("page.js", "charts.js", "table.js", "detail.js", "start.js")
# Without it Prism would colour every <code> of the page by itself as soon as it is loaded.
_BEFORE_LIBRARIES = "window.Prism = { manual: true, disableWorkerMessageHandler: true };"


def page_start(session_id: str) -> str:
    """Return the page up to where its data blocks go."""
    style = _asset("report.css")
    policy = (
        f"default-src 'none'; script-src {' '.join(_source(text) for text in _scripts())}; "
        f"style-src {_source(style)}; img-src data:; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{html.escape(session_id)} - collected solutions</title>\n"
        f"<style>{style}</style>\n</head>\n{_asset('body.html')}"
    )


def data_block(name: str, text: str) -> str:
    """Return an element that holds JSON or base64; no text in it can end it or run."""
    escaped = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{escaped}</script>\n'


def page_end() -> str:
    """Return the rest of the page: the libraries' licences, and the scripts."""
    licences = "\n\n".join(_asset(f"vendor/{name}") for name in _LICENCES)
    scripts = "".join(f"<script>{text}</script>\n" for text in _scripts())
    return f'<pre id="licences" hidden>{html.escape(licences)}</pre>\n{scripts}</body>\n</html>\n'


def _scripts() -> list[str]:
    libraries = [_without_map(_asset(f"vendor/{name}")) for name in _LIBRARIES]
    own = "".join(_asset(name) for name in _OWN_SCRIPTS)
    return [_BEFORE_LIBRARIES, *libraries, f'"use strict";\n(() => {{\n{own}}})();\n']


def _without_map(script: str) -> str:
    return script.partition("\n//# sourceMappingURL=")[0]


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
