"""Join sessions that asked the same, such as the shards of several machines, in a new one."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from config.clock import SystemClock
from runners.session.session_merge import Merged, merge_sessions
from scripts._cli import EXIT_OK, add_output_dir_flag, parse_arguments, run_command
from scripts._parser import CommandParser
from scripts._report import print_reserved, resume_command
from scripts._session_place import new_session_place, session_place_anywhere
from scripts._terminal import print_wrapped
from storage.merging.merged_answers import ASIDE_NAME
from storage.session.session_condition import condition_words
from storage.sessions import existing_folder, open_session


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(
        description=__doc__,
        epilog="The sessions stay as they are; nothing is sent. Of two answers to one task the "
        "earlier counts. A resume of the new session asks for what none of them had.",
    )
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="ids or folders")
    parser.add_argument(
        "--into", required=True, metavar="NEW", help="the new session: an id, or a new folder"
    )
    add_output_dir_flag(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    places = [session_place_anywhere(session, args.output_dir) for session in args.sessions]
    folders = [existing_folder(*place) for place in places]
    output_dir, new = new_session_place(args.into, args.output_dir)
    merged = merge_sessions(folders, new, SystemClock())
    _print_merged(merged, new, output_dir)
    return EXIT_OK


def _print_merged(merged: Merged, new: Path, output_dir: Path) -> None:
    for folder, answers in merged.answers.items():
        print_wrapped(f"{folder}: {answers} answers", indent="  ")
    for line in merged.unread:
        print_wrapped(line, indent="  ")
    if merged.aside:
        print_wrapped(
            f"{merged.aside} answers came after another to the same task: kept in {ASIDE_NAME}",
            indent="  ",
        )
    store = open_session(output_dir, new.name)
    count = sum(store.answered_counts().values())
    assert store.metadata is not None, "a merged session has a manifest"
    print_wrapped(
        f"Merged into {new}: {count} of {store.metadata.total_tasks} answers, "
        f"{condition_words(store)}",
        indent="  ",
    )
    print_reserved(store, output_dir)
    if count < store.metadata.total_tasks:
        print(f"To ask for what is missing:\n  {resume_command(store.session_id, output_dir)}")


if __name__ == "__main__":
    raise SystemExit(main())
