"""The flags about batches, of the commands that collect."""

import argparse

from config.errors import ConfigError
from scripts._cli import positive_int


def add_batch_flags(parser: argparse.ArgumentParser) -> None:
    """Add what says whether and how a new session uses batches."""
    group = parser.add_argument_group("batches: cheaper, answers within a day (docs/batch.md)")
    group.add_argument(
        "--batch",
        action="store_true",
        help="ask models with a discounted batch API through it, and the others live beside them",
    )
    group.add_argument(
        "--batch-requests",
        type=positive_int,
        metavar="N",
        help="requests in one batch at most (default: 1000)",
    )
    group.add_argument(
        "--batch-only",
        action="store_true",
        help="never ask live what a batch left unanswered",
    )
    _add_detach_flag(group)


def refuse_flags_without_batch(args: argparse.Namespace) -> None:
    """Raise ConfigError where something is said about batches, and there are to be none."""
    given = {
        "--batch-requests": args.batch_requests,
        "--batch-only": args.batch_only,
        "--batch-detach": args.batch_detach,
    }
    if alone := [flag for flag, value in given.items() if value and not args.batch]:
        raise ConfigError(f"{alone[0]} says how --batch is to go: add --batch, or leave it out")


def add_open_batch_flags(parser: argparse.ArgumentParser) -> None:
    """Add what says what to do with a session's open batches."""
    group = parser.add_argument_group("open batches (docs/batch.md)")
    _add_detach_flag(group)
    group.add_argument(
        "--cancel-batches",
        action="store_true",
        help="cancel the open batches, keep what they finished, and ask nothing",
    )
    group.add_argument("--yes", action="store_true", help="with --cancel-batches: do not ask first")


def _add_detach_flag(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--batch-detach",
        action="store_true",
        help="submit the batches, then leave: a resume fetches the answers",
    )
