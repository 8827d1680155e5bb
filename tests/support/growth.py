"""Work that grows faster than its text, told from counts at doubled lengths."""

from collections.abc import Callable

# Work within a bounded window grows at first with the square: then longer texts decide.
_LENGTHS = (60, 500, 2_000)
_TOLERANCE = 1.1
_SLACK = 20  # steps


def grows_too_fast(count: Callable[[int], int | None], lengths: tuple[int, ...] = _LENGTHS) -> bool:
    """Return whether twice the length costs more than twice the steps, at each of the lengths.

    count: characters -> steps, None where it gave up counting.
    """
    for length in lengths:
        once, twice = count(length), count(2 * length)
        if once is None or twice is None:
            return True
        if twice <= 2 * _TOLERANCE * once + _SLACK:
            return False
    return True
