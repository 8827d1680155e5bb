"""Write a session's report.html: one file to open in a browser, no network needed."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from processors.workers.pool import usable_cores
from reports.report import MOST_BODY_BYTES, write_report
from scripts._cli import EXIT_OK, add_output_dir_flag, parse_arguments, positive_int, run_command
from scripts._parser import CommandParser
from scripts._session_place import session_place
from storage.sessions import open_session

_MEGABYTE = 1_000_000


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("session", metavar="SESSION", help="the session's id or folder")
    parser.add_argument(
        "--max-megabytes",
        type=positive_int,
        default=MOST_BODY_BYTES // _MEGABYTE,
        metavar="N",
        help="for prompts, replies and code, packed (default: %(default)s); what does not fit is "
        "listed without its texts",
    )
    parser.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="processes that read a large session (default: one a core)",
    )
    add_output_dir_flag(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    workers = args.workers or usable_cores()
    store = open_session(*session_place(args.session, args.output_dir), workers=workers)
    most_bytes = args.max_megabytes * _MEGABYTE
    path = write_report(store, most_body_bytes=most_bytes, workers=workers)
    print(f"{path} ({path.stat().st_size / _MEGABYTE:.1f} MB)")
    return EXIT_OK


if __name__ == "__main__":
    raise SystemExit(main())
