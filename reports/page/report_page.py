"""report.html's parts: which markup and which scripts it is made of."""

from reports.page.shell import CHARTS, COLOURS, COMPARISON, Shell

REPORT = Shell(
    body="body.html",
    scripts=(
        "elements.js",
        "charts.js",
        "ranking.js",
        "scatter.js",
        "page.js",
        "session_charts.js",
        "table.js",
        "answers.js",
        "detail.js",
        "start.js",
    ),
    libraries=(CHARTS, COLOURS, COMPARISON),
)
