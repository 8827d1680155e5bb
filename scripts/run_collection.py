"""Ask models to solve problems, and keep every answer in a new session."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

from scripts._root import ROOT  # noqa: I001 - first: it checks what the others need
from config.collection_settings import CollectionSettings
from config.environment import Environment
from config.shard import Shard, parse_shard
from runners.progress.terminal_text import shortened
from scripts._batch_flags import add_batch_flags, refuse_flags_without_batch
from scripts._call_sender import add_ray_flag, refuse_ray_with
from scripts._parser import CommandParser
from scripts._cli import (
    EXIT_OK,
    add_evaluate_flag,
    add_log_flags,
    add_output_dir_flag,
    load_environment,
    positive_int,
    parse_arguments,
    run_command,
    samples,
    seconds,
    set_up_logging,
    usd,
)

_EPILOG = """\
examples, each after "python scripts/run_collection.py":
  --quick-test --models smollm2_135m     a first run: no key, no network
  --list-models                          the models, and which keys are set
  --list-models openai google            only these providers
  --check-models --models gpt-4o         is it served, or what replaces it
  --dry-run --models gpt-4o grok-4.7     its requests and price; needs no key
  --show-prompt --categories typing      and what it would send
  --models gpt-4o --categories typing regex
  --models gpt-4o --evaluate             and which answers are right

exit codes: 0 all answered, 1 finished with failed or undone tasks, 2 wrong
usage or configuration (nothing was sent), 130 interrupted
(resume_collection.py continues).
"""


def build_parser() -> CommandParser:
    """Return the command's parser; flags that are left out are None where .env may speak."""
    parser = CommandParser(
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_what_to_collect(parser)
    _add_what_to_do(parser)
    _add_how_to_call(parser)
    add_evaluate_flag(parser.add_argument_group("what to do with answers"))
    _add_patience(parser)
    _add_money(parser)
    add_batch_flags(parser)
    add_output_dir_flag(parser)
    add_log_flags(parser)
    return parser


def _add_what_to_collect(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to collect")
    chosen = group.add_mutually_exclusive_group()
    chosen.add_argument(
        "--models", nargs="+", metavar="NAME", help="names, aliases or API ids (see --list-models)"
    )
    chosen.add_argument(
        "--all-models", action="store_true", help="every served model whose key is set"
    )
    group.add_argument(
        "--categories", nargs="+", metavar="CATEGORY", help="only problems in these categories"
    )
    group.add_argument(
        "--samples",
        type=samples,
        metavar="N",
        help="answers to request from every model for each problem (default: 1)",
    )
    group.add_argument(
        "--quick-test", action="store_true", help="one problem per category, at low concurrency"
    )
    group.add_argument(
        "--dataset-path", metavar="DIR", help="a folder of .jsonl problems (or one such file)"
    )
    group.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="only share I of N of the problems, for N machines; merge_sessions.py joins them",
    )
    group.add_argument("--session-id", metavar="ID", help="the session's name (default: the time)")


def _add_what_to_do(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("look before you leap (no problem is sent)")
    group.add_argument(
        "--list-models",
        nargs="*",
        metavar="PROVIDER",
        help="list models and key status: all, or only of openai, anthropic ...",
    )
    group.add_argument(
        "--check-models",
        action="store_true",
        help="ask the providers which of --models (default: all whose key is set) they serve",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="check everything; print what a run would ask and may cost",
    )
    group.add_argument(
        "--show-prompt",
        action="store_true",
        help="a dry run that also prints the first prompt of each kind",
    )
    group.add_argument(
        "--yes",
        action="store_true",
        help="start at once even without --models: do not ask",
    )


def _add_how_to_call(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to call")
    group.add_argument(
        "--max-concurrent",
        type=_concurrency,
        metavar="N",
        help="calls in flight per model and key, not counting --extraction by an LLM; or auto "
        "(default: 3)",
    )
    group.add_argument(
        "--batch-size",
        type=positive_int,
        metavar="N",
        help="problems planned and checkpointed together (default: 10)",
    )
    group.add_argument(
        "--extraction",
        choices=("auto", "agentic", "regex"),
        default="auto",
        help="auto asks an LLM only if rules find no code; agentic asks for every reply that "
        "is not clean code; regex never asks (default: auto)",
    )
    group.add_argument(
        "--prompt",
        metavar="NAME|FILE",
        help="the words around every problem: one of prompts/texts, or a file (default: default)",
    )
    group.add_argument(
        "--system", metavar="TEXT|FILE", help="the system text itself, or a file that holds it"
    )
    _add_parameters(group)
    add_ray_flag(group)


def _add_parameters(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--tier",
        choices=("default", "flex", "flex-or-default"),
        default="default",
        help="flex: OpenAI's and Gemini's slow tier, at half the price of most models; without "
        "room there a call waits, or with flex-or-default goes at the default tier "
        "(default: default)",
    )
    group.add_argument("--temperature", type=_temperature, metavar="T", help="default: 0.2")
    group.add_argument(
        "--max-tokens",
        type=positive_int,
        metavar="N",
        help="output budget of one answer (default: 4096, 16384 for models that reason)",
    )


def _add_patience(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how long to try")
    group.add_argument(
        "--max-attempts",
        type=positive_int,
        default=8,
        metavar="N",
        help="per task; a 429 does not count: it costs time (default: 8)",
    )
    group.add_argument(
        "--task-timeout",
        type=seconds,
        metavar="SECONDS",
        help="for all attempts at one task, counted from the first, waits for a rate limit "
        "included; if a model answers nothing but 429 for that long, its other tasks fail too "
        "(default: 1800, 7200 with --tier flex)",
    )
    group.add_argument(
        "--request-timeout",
        type=seconds,
        metavar="SECONDS",
        help="for one attempt (default: 600, 900 with --tier flex)",
    )
    group.add_argument(
        "--grace",
        type=seconds,
        default=30.0,
        metavar="SECONDS",
        help="for calls in flight after Ctrl-C (default: 30)",
    )


def _add_money(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what it may cost")
    group.add_argument(
        "--max-cost",
        type=usd,
        metavar="USD",
        help="cap on the session, resumes included: a call whose worst case would exceed "
        "it is not sent",
    )
    group.add_argument(
        "--allow-unknown-prices",
        action="store_true",
        help="under a cap, also run models of unknown price; they count as free",
    )


def _concurrency(text: str) -> int | str:
    return text if text == "auto" else positive_int(text)


def _shard(text: str) -> Shard:
    try:
        return parse_shard(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r}: {error}") from None


def _temperature(text: str) -> float:
    number = float(text)
    if not 0.0 <= number <= 2.0:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not between 0 and 2")
    return number


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args, load_environment()))


def _run(args: argparse.Namespace, environment: Environment) -> int:
    refuse_ray_with(args, "list_models", "check_models", "dry_run", "show_prompt")
    if args.list_models is not None:
        from scripts._model_list import print_model_list

        print_model_list(environment, args.list_models)
        return EXIT_OK
    set_up_logging(args.log_level, args.log_file)
    refuse_flags_without_batch(args)
    if args.check_models:
        from scripts._check_models import check_models

        return check_models(args.models or (), environment)
    from prompts.prompt_template import choose_prompt

    settings = CollectionSettings.from_args(args, environment, ROOT)
    settings = replace(settings, prompt=choose_prompt(args.prompt, args.system))

    from scripts._collect import collect, dry_run  # aiohttp and the rest: not for --list-models

    if args.dry_run or args.show_prompt:
        return dry_run(
            settings,
            environment,
            session_id=args.session_id,
            show_prompts=args.show_prompt,
        )
    return collect(
        settings,
        environment,
        session_id=args.session_id,
        ask_first=not args.yes,
        progress=args.progress,
        detach=args.batch_detach,
        ray=args.ray,
    )


if __name__ == "__main__":
    raise SystemExit(main())
