"""File handles kept back for the end of a run that has none left."""

import contextlib
import os
from collections.abc import Iterator

_COUNT = 8  # an append, a flush and a replaced file at once, with some to spare


@contextlib.contextmanager
def spare_files() -> Iterator[contextlib.ExitStack]:
    """Hold file handles back; closing what is yielded frees them, as the end of the block does."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # as many as there are
            for _ in range(_COUNT):
                held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield held
