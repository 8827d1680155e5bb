"""Verdicts as single characters, so that a table of 100,000 cells stays small."""

from reports.outcome_work import Verdict

# page.js has the same letters.
LETTERS: dict[Verdict, str] = {
    "valid": "v",
    "incomplete": "n",
    "syntax": "s",
    "empty": "e",
    "unread": "x",
    "truncated": "t",
    "refused": "r",
    "failed": "f",
    "undone": "-",
}
