"""Extract and validate a session's replies again, with today's rules; nothing is sent."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from runners.answers.reprocess import Change, reprocess_session
from runners.progress.terminal_text import printable
from scripts._cli import EXIT_OK, add_output_dir_flag, run_command
from scripts._report import print_table
from scripts._session_place import session_place
from storage.sessions import open_session

_MOST_NAMED = 20


def build_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session", metavar="SESSION", help="the session's id or folder")
    add_output_dir_flag(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = build_parser().parse_args(argv)
    return run_command(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    store = open_session(*session_place(args.session, args.output_dir))
    written, changes = reprocess_session(store)
    headings = ["model", "answers", "code changed", "valid before", "valid now"]
    print_table(headings, [_row(model, found) for model, found in changes.items()])
    named = [
        f"  {model}, {change.task_id}: {_verdict(change)}"
        for model, found in changes.items()
        for change in found
        if change.code_changed
    ]
    print(printable("\n".join(["", *named[:_MOST_NAMED]])))
    if len(named) > _MOST_NAMED:
        print(f"  ... and {len(named) - _MOST_NAMED} more")
    print(f"New records: {written}\nThe old ones are as they were; nothing was sent.")
    return EXIT_OK


def _row(model: str, changes: list[Change]) -> list[str]:
    counts = (
        len(changes),
        sum(change.code_changed for change in changes),
        sum(change.was_valid for change in changes),
        sum(change.is_valid for change in changes),
    )
    return [model, *map(str, counts)]


def _verdict(change: Change) -> str:
    words = {True: "valid", False: "not valid"}
    if change.was_valid == change.is_valid:
        return f"other code, {words[change.is_valid]} as before"
    return f"other code, {words[change.was_valid]} before, {words[change.is_valid]} now"


if __name__ == "__main__":
    raise SystemExit(main())
