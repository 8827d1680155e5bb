"""Show which problems changed between sessions, or between the models of one session."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from config.errors import ConfigError
from config.user_path import user_path
from reports.session_comparison import (
    Column,
    Difference,
    RightnessDifference,
    SessionComparison,
    compare,
)
from scripts._cli import EXIT_OK, add_output_dir_flag, parse_arguments, positive_int, run_command
from scripts._parser import CommandParser
from scripts._session_place import session_place
from scripts._terminal import print_table, print_wrapped
from storage.files.csv_cells import csv_cell, csv_line
from storage.files.durability import replace_file
from storage.files.safe_names import safe_name
from storage.session.session_folder import check_out
from storage.sessions import open_session
from storage.solution_store import SolutionStore


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(
        description=__doc__,
        epilog="Each model is compared with itself in the previous session or, if no earlier "
        "session has it, with the first model of the first session.",
    )
    parser.add_argument(
        "sessions", nargs="+", metavar="SESSION", help="ids or folders, oldest first"
    )
    parser.add_argument(
        "--limit",
        type=positive_int,
        default=20,
        metavar="N",
        help="changed problems to print of each kind (default: %(default)s); the file has all",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the .csv to write, one row per problem (default: comparison_<sessions>.csv beside "
        "the last session)",
    )
    add_output_dir_flag(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    places = [session_place(session, args.output_dir) for session in args.sessions]
    stores = [open_session(folder, session_id) for folder, session_id in places]
    target = _target(stores, args.out)
    comparison = compare(stores)
    _print_columns(comparison)
    for difference in comparison.differences:
        _print_difference(difference, args.limit)
    if len(comparison.columns) == 1:
        print("One model alone: name another session to compare it with.")
    _write(comparison, target)
    print(f"\nEvery problem with every verdict: {target}")
    return EXIT_OK


def _target(stores: Sequence[SolutionStore], out: str | None) -> Path:
    """Return the .csv to write; raises ConfigError, before anything is printed, for a wrong one."""
    if len({store.path.resolve() for store in stores}) < len(stores):
        raise ConfigError("a session is named twice: there is nothing to compare")
    if not out:
        name = safe_name("comparison_" + "_".join(store.session_id for store in stores))
        return stores[-1].path.parent / f"{name}.csv"
    target = user_path(out, "--out")
    check_out(target)
    if target.is_dir() or not target.parent.is_dir():
        reason = "is a folder" if target.is_dir() else f"there is no folder {target.parent}"
        raise ConfigError(f"--out {target}: {reason}: name a file to write")
    return target


def _print_columns(comparison: SessionComparison) -> None:
    task_ids = [row.task_id for row in comparison.rows]
    rows = []
    for column in comparison.columns:
        counts = column.count([task_id for task_id in task_ids if task_id in column.problems])
        numbers = (counts.answered, counts.valid, counts.failed, counts.undone)
        rows.append([column.label, *map(str, numbers)])
    headings = ["session/model", "answered", "valid", "failed", "undone"]
    if any(column.passed is not None for column in comparison.columns):
        headings.append("passed")
        rows = [
            [*row, _passed(column)] for row, column in zip(rows, comparison.columns, strict=True)
        ]
    print_table(headings, rows, groups=(len(headings) - 1,))
    if comparison.only_in_some:
        print(f"Problems that only some of these have: {comparison.only_in_some}")
    if len(set(comparison.prompts.values())) > 1:
        said = ", ".join(f"{session}: {prompt}" for session, prompt in comparison.prompts.items())
        print(f"The sessions used different prompts ({said})")
    reworded = sum(row.is_reworded for row in comparison.rows)
    if reworded:
        print(f"Problems that another session worded differently: {reworded}")


def _passed(column: Column) -> str:
    if column.passed is None:
        return "-"
    verdicts = [passed for samples in column.passed.values() for passed in samples]
    return f"{sum(verdicts)} of {len(verdicts)}"


def _print_difference(difference: Difference, limit: int) -> None:
    print()
    print_wrapped(f"{difference.after.label} against {difference.before.label}:")
    is_same_model = difference.after.model == difference.before.model
    names = ("became valid", "valid no more") if is_same_model else ("valid here", "valid there")
    if difference.counts_samples:
        names = ("valid more often", "valid less often")
    kinds = (difference.gained, difference.lost, difference.otherwise)
    for name, changes in zip((*names, "not valid, for another reason"), kinds, strict=True):
        _print_changes(name, changes, limit)
    print(f"  {len(difference.other_code)} with the same verdict and other code")
    print(f"  {difference.same} the same")
    if difference.not_compared:
        print(f"  {difference.not_compared} not asked on both sides, not compared")
    if difference.rightness is not None:
        _print_rightness(difference.rightness, is_same_model, difference.counts_samples, limit)


def _print_rightness(
    found: RightnessDifference, is_same_model: bool, counts_samples: bool, limit: int
) -> None:
    names = ("became right", "became wrong") if is_same_model else ("right here", "right there")
    if counts_samples:
        names = ("right more often", "right less often")
    print("  By their tests:")
    for name, changes in zip(names, (found.gained, found.lost), strict=True):
        _print_changes(name, changes, limit)
    print(f"  {found.same} as right or wrong as before")
    if found.not_compared:
        print(f"  {found.not_compared} not judged on both sides, not compared")


def _print_changes(name: str, changes: Sequence[tuple[str, str, str]], limit: int) -> None:
    print(f"  {len(changes)} {name}")
    for task_id, before, after in changes[:limit]:
        print(f"    {task_id}: {before} -> {after}")
    if len(changes) > limit:
        print(f"    ... and {len(changes) - limit} more")


def _write(comparison: SessionComparison, target: Path) -> None:
    labels = [column.label for column in comparison.columns]
    judged = [column.label for column in comparison.columns if column.passed is not None]
    labels += [f"{label} by tests" for label in judged]
    lines = [csv_line(["task_id", "category", "differs", "reworded", *map(csv_cell, labels)])]
    for row in comparison.rows:
        differs = "yes" if len(set(row.standings)) > 1 else "no"
        reworded = "yes" if row.is_reworded else "no"
        names = [csv_cell(row.task_id), csv_cell(row.category)]
        lines.append(csv_line([*names, differs, reworded, *row.standings, *row.rightness]))
    replace_file(target, lines, durable=False)


if __name__ == "__main__":
    raise SystemExit(main())
