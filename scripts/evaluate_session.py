"""Run the tests on every answer of a session in a sandbox, and print how many are right."""

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

import scripts._root  # noqa: F401 - first: it checks what the others need
from config.errors import ConfigError
from evaluation.cage import Isolation
from evaluation.isolation import LAYERS
from evaluation.policy import DEFAULT_CPU_SECONDS, DEFAULT_MEMORY_MB, Policy
from processors.workers.pool import usable_cores
from scripts._cli import (
    EXIT_INCOMPLETE,
    EXIT_OK,
    EXIT_USAGE,
    add_output_dir_flag,
    parse_arguments,
    positive_int,
    run_command,
    seconds,
)
from scripts._engine import add_engine_flags
from scripts._evaluate import EvaluationRequest, evaluate_sessions
from scripts._parser import CommandParser
from scripts._session_place import session_place
from scripts._terminal import agrees


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(
        description=__doc__,
        epilog="Verdicts are kept in SESSION/evaluation: what was judged is not judged again "
        "until its code, its tests or these settings change.",
    )
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="ids or folders")
    _add_what(parser)
    _add_how(parser)
    add_output_dir_flag(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args))


def _add_what(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to judge")
    group.add_argument("--models", nargs="+", default=[], metavar="MODEL", help="only these")
    group.add_argument("--categories", nargs="+", default=[], metavar="CATEGORY", help="only these")
    group.add_argument(
        "--dataset-path", metavar="DIR", help="the problems (default: the session's own)"
    )
    group.add_argument(
        "--again", action="store_true", help="also judge again what was already judged"
    )
    group.add_argument(
        "--repeat",
        type=positive_int,
        default=1,
        metavar="N",
        help="judge everything N times; verdicts that differ are flaky",
    )
    group.add_argument(
        "--self-test-only", action="store_true", help="test only the problems, no answers"
    )


def _add_how(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to judge")
    add_engine_flags(group, "answers judged at once (default: one per core)")
    _add_isolation(group)
    group.add_argument(
        "--cpu-limit",
        type=seconds,
        default=DEFAULT_CPU_SECONDS,
        metavar="SECONDS",
        help="processor time of one answer (default: 3); if the reference takes longer, ten times "
        "what it takes",
    )
    group.add_argument(
        "--memory",
        type=positive_int,
        default=DEFAULT_MEMORY_MB,
        metavar="MB",
        help="address space of one answer (default: 1024)",
    )
    group.add_argument(
        "--allow-packages", action="store_true", help="let answers import installed packages"
    )
    group.add_argument(
        "--allow-processes", action="store_true", help="let answers start processes (in a cage)"
    )
    group.add_argument(
        "--no-decoys",
        action="store_true",
        help="do not try passing answers on changed tests: faster, and easy to cheat",
    )


def _add_isolation(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--isolation",
        choices=("auto", *LAYERS),
        default="auto",
        help="what isolates answers from this machine (default: auto, the best that holds)",
    )
    group.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="run answers with no isolation from this machine",
    )


def _run(args: argparse.Namespace) -> int:
    isolation: Isolation | None = None if args.isolation == "auto" else args.isolation
    if args.ray and (args.unsafe_no_sandbox or args.allow_packages):
        # Nobody looks after a node, and its packages need not be those of another.
        raise ConfigError("--ray judges in sandboxes only, and without installed packages")
    if args.unsafe_no_sandbox:
        if not _means_it():
            return EXIT_USAGE
        isolation = "none"
    request = EvaluationRequest(
        places=[session_place(session, args.output_dir) for session in args.sessions],
        policy=Policy(
            cpu_seconds=args.cpu_limit,
            memory_mb=args.memory,
            use_decoys=not args.no_decoys,
            allow_packages=args.allow_packages,
            allow_processes=args.allow_processes,
            repeat=args.repeat,
            is_unsafe=args.unsafe_no_sandbox,
        ),
        isolation=isolation,
        workers=args.workers or usable_cores(),
        ray=args.ray,
        models=args.models,
        categories=args.categories,
        dataset=Path(args.dataset_path).expanduser() if args.dataset_path else None,
        again=args.again,
        self_test_only=args.self_test_only,
    )
    return EXIT_OK if asyncio.run(evaluate_sessions(request)) else EXIT_INCOMPLETE


def _means_it() -> bool:
    """Return whether the user wants answers to run unconfined; a script that says so does."""
    if not sys.stdin.isatty():
        return True
    print("Answers will run with nothing between them and this machine, as you, with your files.")
    return agrees("Type yes to continue: ", words=("yes",))


if __name__ == "__main__":
    raise SystemExit(main())
