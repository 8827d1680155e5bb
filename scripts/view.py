"""Open a local page with every session on one board, and runs as they go."""

import argparse
import asyncio
import os
import sys
import threading
import webbrowser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from config.clock import SystemClock
from config.collection_settings import output_dir
from scripts._cli import (
    EXIT_OK,
    add_output_dir_flag,
    load_environment,
    parse_arguments,
    run_command,
)
from scripts._parser import CommandParser
from scripts._root import ROOT

_DEFAULT_PORT = 8765
_MOST_PORT = 65_535
_EPILOG = """\
The page is for this machine alone (127.0.0.1); it only reads, and runs need no
flag to be watched. Ctrl-C ends it, not the runs.
"""


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=_DEFAULT_PORT,
        metavar="N",
        help="where to listen (default: %(default)s); 0 for any port that is free",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    add_output_dir_flag(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    from runners.view.view_server import serve

    folder = output_dir(args.output_dir, load_environment(), ROOT)

    def opened(address: str) -> None:
        print(f"{address} shows the sessions in {folder}", flush=True)
        print("Ctrl-C ends this page, not the runs", flush=True)
        if not args.no_browser and _has_screen():
            # Some browsers are waited for until they are closed.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    asyncio.run(serve(folder, args.port, SystemClock(), opened))
    return EXIT_OK


def _has_screen() -> bool:
    """Return whether a browser could show itself; one in the terminal would take it over."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else -1
    if not 0 <= number <= _MOST_PORT:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a port from 0 to {_MOST_PORT:,}")
    return number


if __name__ == "__main__":
    raise SystemExit(main())
