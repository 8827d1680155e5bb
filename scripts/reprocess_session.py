"""Extract and validate a session's replies again with today's rules; nothing is sent."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from processors.workers.bounds import Bounds
from processors.workers.pool import usable_cores
from runners.answers.reprocess import MOST_NAMED, Change, Changes, reprocess_session
from scripts._cli import (
    EXIT_OK,
    add_output_dir_flag,
    parse_arguments,
    positive_int,
    run_command,
    seconds,
)
from scripts._engine import add_engine_flags, open_engine
from scripts._parser import CommandParser
from scripts._session_place import session_place
from scripts._terminal import print_table, print_wrapped
from storage.sessions import open_session

_BOUNDS = Bounds()


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("session", metavar="SESSION", help="the session's id or folder")
    add_engine_flags(parser, "reading processes (default: one a core)")
    parser.add_argument(
        "--seconds-per-reply",
        type=seconds,
        default=_BOUNDS.cpu_seconds,
        metavar="SECONDS",
        help="processor time allowed for reading one reply (default: %(default)g)",
    )
    parser.add_argument(
        "--memory-per-reply",
        type=positive_int,
        default=_BOUNDS.memory_mb,
        metavar="MB",
        help="memory allowed for reading one reply (default: %(default)s)",
    )
    add_output_dir_flag(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    place = session_place(args.session, args.output_dir)
    store = open_session(*place, workers=args.workers or usable_cores())
    bounds = Bounds(cpu_seconds=args.seconds_per_reply, memory_mb=args.memory_per_reply)
    with open_engine(args, bounds) as engine:
        written, changes = reprocess_session(store, engine.executor, engine.window)
    headings = ["model", "answers", "other code", "valid before", "valid now"]
    rows = [_row(model, found) for model, found in changes.items()]
    print_table(headings, rows, groups=(4,))
    _print_named(changes)
    if any(found.gave_up for found in changes.values()):
        print_wrapped(
            "Replies that could not be read are kept raw: allow them more seconds, or memory."
        )
    print(f"New records: {written}\nThe old ones are as they were; nothing was sent.")
    return EXIT_OK


def _print_named(changes: Mapping[str, Changes]) -> None:
    lines = [
        f"  {model}, {change.task}: {_verdict(change)}"
        for model, found in changes.items()
        for change in found.named
    ][:MOST_NAMED]
    print()
    for line in lines:
        print_wrapped(line, indent="    ")
    told = sum(found.told for found in changes.values())
    if told > len(lines):
        print(f"  ... and {told - len(lines):,} more")


def _row(model: str, found: Changes) -> list[str]:
    counts = (found.answers, found.other_code, found.valid_before, found.valid_now)
    return [model, *map(str, counts)]


def _verdict(change: Change) -> str:
    if change.gave_up:
        return f"could not be read: {change.gave_up}"
    words = {True: "valid", False: "not valid"}
    if change.was_valid == change.is_valid:
        return f"other code, {words[change.is_valid]} as before"
    return f"other code, {words[change.was_valid]} before, {words[change.is_valid]} now"


if __name__ == "__main__":
    raise SystemExit(main())
