"""The parser of every command: what is wrong with a line is said in one line."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import NoReturn

from runners.progress.terminal_text import printable

_EXIT_USAGE = 2
_NUMBER = re.compile(r"-\.?\d")


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser that names the flag that was likely meant; usage is for --help alone."""

    def parse_line(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Return what a command line says; a wrong one ends the process with exit code 2."""
        words = sys.argv[1:] if argv is None else list(argv)
        for word in words:
            if word == "--":
                break
            self._refuse_unknown_flag(word.partition("=")[0])
        arguments, others = self.parse_known_args(list(self._spelled_out(words)))
        if others:
            self.error(f"unexpected {others[0]!r}")
        return arguments

    def _spelled_out(self, words: Sequence[str]) -> Iterator[str]:
        """Yield a line's words; a flag that stands alone takes no other word for its value."""
        for word, following in pairwise([*words, ""]):
            action = self._option_string_actions.get(word)
            if action and action.nargs == "?" and following not in (action.choices or [following]):
                yield f"{word}={action.const}"
            else:
                yield word

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong, and end the process."""
        self.exit(_EXIT_USAGE, f"error: {printable(message)} (see --help)\n")

    def _refuse_unknown_flag(self, word: str) -> None:
        if len(word) < 2 or word[0] != "-" or _NUMBER.match(word):
            return
        known = list(self._option_string_actions)
        if word in known or any(flag.startswith(word) for flag in known if word[:2] == "--"):
            return  # argparse takes the beginning of a flag for the flag
        near = get_close_matches(word, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "there is no such flag"
        self.error(f"unknown flag {word}: {hint}")
