"""What the commands share: their common flags, their log, and errors as exit codes."""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from config.collection_settings import MOST, MOST_SAMPLES, whole_number
from config.environment import Environment, is_utf8
from config.errors import CollectionError, ConfigError, DatasetError
from config.model_configs import MODEL_CONFIGS
from config.redaction import Redactor, redact_logs
from config.user_path import user_path
from runners.progress.terminal_text import printable, shortened
from runners.session.interrupt import all_as_keyboard_interrupt
from scripts._parser import CommandParser
from scripts._root import ROOT
from scripts._streams import flushed, let_go, spell_out_what_cannot_be_shown

EXIT_OK = 0
EXIT_INCOMPLETE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
_OUTPUT_LOST = "standard output cannot be written:"


def add_output_dir_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that every command takes."""
    parser.add_argument(
        "--output-dir", metavar="DIR", help="the folder that holds sessions (default: generated)"
    )


def add_log_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of commands that log what they do; with them comes set_up_logging."""
    group = parser.add_argument_group("what to show")
    group.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    group.add_argument(
        "--log-file", metavar="FILE", help="also write the log, DEBUG included, to FILE"
    )
    group.add_argument(
        "--progress",
        default="auto",
        choices=("auto", "bars", "lines", "json"),
        help="auto: bars on a terminal, else a line every 10 s; json: a line per second on stderr, "
        "for other programs (default: auto)",
    )


def add_evaluate_flag(group: argparse._ActionsContainer) -> None:
    """Add the flag of commands that collect; None where it is left out."""
    group.add_argument(
        "--evaluate",
        nargs="?",
        const="yes",
        choices=("yes", "auto", "no"),
        help="run the problems' tests on every answer as it arrives, in a sandbox; if none "
        "holds, yes (or --evaluate alone) refuses to start, auto continues without",
    )


def add_detach_flag(group: argparse._ActionsContainer) -> None:
    """Add the flag of commands that may leave batches running."""
    group.add_argument(
        "--batch-detach",
        action="store_true",
        help="submit the batches, then leave: a resume fetches the answers",
    )


def load_environment() -> Environment:
    """Return the process's variables over those of the project's .env.

    From then on no line that is logged, by whatever library, holds a key that stands in them.
    """
    environment = Environment.load(ROOT, os.environ)
    redact_logs(Redactor(environment.secrets(row.api_key_env for row in MODEL_CONFIGS)))
    return environment


def set_up_logging(level: str, log_file: str | None) -> None:
    """Log to standard output past the progress bars, and to log_file where one is named.

    Raises ConfigError where log_file cannot be written.
    """
    console = _BarSafeHandler()
    console.setLevel(level)
    console.setFormatter(_PrintableFormatter("%(levelname)s - %(message)s"))
    handlers: list[logging.Handler] = [console]
    if log_file:
        handlers.append(_file_handler(user_path(log_file, "--log-file")))
    logger = logging.getLogger("collector")
    logger.setLevel(logging.DEBUG if log_file else level)  # what nobody reads costs time
    logger.propagate = False
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        old.close()
    for handler in handlers:
        logger.addHandler(handler)


def run_command(command: Callable[[], int]) -> int:
    """Return the command's exit code; what the user can mend becomes one line on stderr."""
    spell_out_what_cannot_be_shown()
    return _with_all_said(_exit_code(command))


def _with_all_said(code: int) -> int:
    """Return the exit code, once everything that was printed is where it belongs, or said not."""
    if lost := flushed(sys.stdout):
        _say(f"error: {_OUTPUT_LOST} {lost.strerror}")
        code = code or EXIT_INCOMPLETE
    flushed(sys.stderr)
    return code


def parse_arguments(parser: CommandParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Return one command line's arguments; ends the process where they make no sense, or for help.

    What is not UTF-8 is refused: a session's files could not name it.
    """
    arguments = sys.argv[1:] if argv is None else argv
    for argument in arguments:
        if not is_utf8(argument):
            parser.error(f"{argument!a} is not UTF-8")
    try:
        return parser.parse_line(arguments)
    except SystemExit as end:
        raise SystemExit(_with_all_said(int(end.code or EXIT_OK))) from None


def positive_int(text: str) -> int:
    """Read a flag's whole number of at least 1."""
    number = whole_number(text)
    if number is None:
        raise argparse.ArgumentTypeError(
            f"{shortened(text)!r} is not a whole number from 1 to {MOST:,}"
        )
    return number


def samples(text: str) -> int:
    """Read a flag's number of samples."""
    number = positive_int(text)
    if number > MOST_SAMPLES:
        raise argparse.ArgumentTypeError(f"{number} is more than {MOST_SAMPLES:,}")
    return number


def seconds(text: str) -> float:
    """Read a flag's time in seconds, above 0."""
    return _above_zero(text, "a number of seconds above 0")


def usd(text: str) -> float:
    """Read a flag's sum of money in US dollars, above 0."""
    return _above_zero(text, "a sum of US dollars above 0, as 2.50")


def _exit_code(command: Callable[[], int]) -> int:
    try:
        with all_as_keyboard_interrupt():
            return command()
    except (ConfigError, DatasetError) as error:
        _say(f"error: {error}")
        return EXIT_USAGE
    except CollectionError as error:
        _say(f"error: {error}")
    except KeyboardInterrupt:
        _say("interrupted")
        return EXIT_INTERRUPTED
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            # What names no file was printed: errors of files are wrapped where they come up.
            where = f"{error.filename}:" if error.filename else _OUTPUT_LOST
            _say(f"error: {where} {error.strerror or error}")
        let_go(sys.stdout)
    return EXIT_INCOMPLETE


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody can be told
        print(shortened(printable(line)), file=sys.stderr)


def _above_zero(text: str, wanted: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= MOST:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not {wanted}")
    return number


def _file_handler(path: Path) -> logging.Handler:
    try:
        handler = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(f"--log-file {path}: {error.strerror}") from error
    handler.setFormatter(_PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    return handler


class _PrintableFormatter(logging.Formatter):
    """Providers and data sets wrote parts of what is logged."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text, fit for a terminal."""
        return printable(super().format(record))


class _LogFile(logging.FileHandler):
    """A log file whose own disk may fill up: the run says what is wrong, not the log."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Pass over what could not be written."""


class _BarSafeHandler(logging.Handler):
    """Writes above tqdm's bars instead of through them."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # only once something is logged: --list-models stays quick

        # Who listened may be gone, with the terminal or the pipe: the run goes on without.
        with contextlib.suppress(OSError):
            tqdm.write(self.format(record), file=sys.stdout)
