"""How hard a problem is, where the dataset does not say: by the length of its reference."""

_LEVELS = ((5, 1), (12, 2))  # reference solutions of up to so many lines; longer ones are level 3


def level_of(solution: str) -> int:
    """Return 1, 2 or 3."""
    length = len(solution.strip().splitlines())
    return next((level for lines, level in _LEVELS if length <= lines), 3)
