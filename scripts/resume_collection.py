"""Continue a session with its own parameters; only what is unanswered is asked."""

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

from scripts._root import ROOT  # noqa: I001 - first: it checks what the others need
from config.clock import SystemClock
from config.collection_settings import output_dir
from config.environment import Environment
from config.errors import ConfigError
from scripts._batch_flags import add_open_batch_flags
from scripts._parser import CommandParser
from scripts._call_sender import add_ray_flag, refuse_ray_with
from scripts._cli import (
    EXIT_OK,
    add_evaluate_flag,
    add_log_flags,
    add_output_dir_flag,
    load_environment,
    parse_arguments,
    positive_int,
    run_command,
    samples,
    set_up_logging,
    usd,
)
from scripts._session_place import session_place


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("session", nargs="?", metavar="SESSION", help="the session's id or folder")
    parser.add_argument("--list-sessions", action="store_true", help="list the sessions")
    parser.add_argument("--status", action="store_true", help="show the session's progress")
    parser.add_argument(
        "--accept-dataset-changes",
        action="store_true",
        help="continue even if problems have changed since the session began",
    )
    parser.add_argument(
        "--max-cost", type=usd, metavar="USD", help="set or raise the cap on the whole session"
    )
    parser.add_argument(
        "--samples",
        type=samples,
        metavar="M",
        help="ask for more samples, even if the session is finished: M answers per problem in all",
    )
    parser.add_argument(
        "--release-reserved",
        action="store_true",
        help="free the money reserved for calls that may have been billed, as not billed",
    )
    parser.add_argument(
        "--watch", action="store_true", help="keep showing the progress until the run ends"
    )
    add_ray_flag(parser)
    parser.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="processes that read a large session as it is opened (default: one a core)",
    )
    add_evaluate_flag(parser)
    add_open_batch_flags(parser)
    add_output_dir_flag(parser)
    add_log_flags(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args, load_environment()))


def _run(args: argparse.Namespace, environment: Environment) -> int:
    refuse_ray_with(args, "list_sessions", "status", "watch", "cancel_batches")
    if args.list_sessions:
        from scripts._sessions import print_sessions

        print_sessions(output_dir(args.output_dir, environment, ROOT))
        return EXIT_OK
    if args.session is None:
        raise ConfigError("which session? Name one, or see --list-sessions")
    folder, session_id = session_place(args.session, args.output_dir)
    if args.status or args.watch:
        from scripts._sessions import print_status, watch_status

        if args.watch:
            with contextlib.suppress(KeyboardInterrupt):  # that is how a watch is ended
                asyncio.run(watch_status(folder, session_id, SystemClock()))
        else:
            print_status(folder, session_id)
        return EXIT_OK
    set_up_logging(args.log_level, args.log_file)

    from processors.workers.pool import usable_cores
    from runners.batch.batch_run import BatchWishes
    from scripts._resume import ResumeWishes, resume

    wishes = ResumeWishes(
        accept_changes=args.accept_dataset_changes,
        max_cost_usd=args.max_cost,
        samples=args.samples,
        release=args.release_reserved,
        evaluate=args.evaluate,
        batches=BatchWishes(detach=args.batch_detach, cancel=args.cancel_batches),
        ask_before_cancelling=not args.yes,
        ray=args.ray,
        workers=args.workers or usable_cores(),
    )
    return resume(folder, session_id, environment, wishes, args.progress)


if __name__ == "__main__":
    raise SystemExit(main())
