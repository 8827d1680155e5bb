"""Write a session as one tidy table, or in the CodeEval evaluator's layout."""

import argparse
import sys
from pathlib import Path
from shlex import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from config.user_path import user_path
from reports.session_export import default_target, export_session
from scripts._cli import EXIT_OK, add_output_dir_flag, parse_arguments, run_command
from scripts._parser import CommandParser
from scripts._session_place import session_place
from storage.sessions import open_session
from storage.solution_store import SolutionStore

_EPILOG = """\
formats:
  parquet      one row per task; needs: pip install -r requirements-export.txt
  jsonl, csv   the same table as JSON lines, or for spreadsheets, with long
               cells cut
  runcodeeval  <out>/<model>/<category>.jsonl with task_id, model and
               candidate_solution
"""


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("session", metavar="SESSION", help="the session's id or folder")
    parser.add_argument(
        "--format", required=True, choices=("parquet", "jsonl", "csv", "runcodeeval")
    )
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="the file (for runcodeeval: the folder) to write; default: "
        "solutions.<format>, or runcodeeval/, inside the session",
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
    rows = export_session(store, args.format, target)
    print(f"{rows} rows: {target}")
    if store.status == "in_progress":
        print("The session is not finished: this is what it has so far.")
    if args.format == "runcodeeval":
        _print_evaluation(store, target)
    return EXIT_OK


def _print_evaluation(store: SolutionStore, target: Path) -> None:
    """Print the line that evaluates the first model, for the CodeEval evaluator's own folder."""
    parameters = store.metadata.session_parameters if store.metadata else {}
    dataset = str(parameters.get("dataset_path") or "DATASET")
    folders = sorted(path.parent for path in target.glob("*/*.jsonl"))
    print("To evaluate a model (github.com/dannybrahman/runcodeeval):")
    solutions = folders[0] if folders else target / "MODEL"
    print(f"  python main.py --benchmark {quote(dataset)} --solutions {quote(str(solutions))}")


if __name__ == "__main__":
    raise SystemExit(main())
