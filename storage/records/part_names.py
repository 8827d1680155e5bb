"""How the files of a category are called: typing.jsonl, and once it is full typing.0002.jsonl, ...

A name alone tells nothing: a category may itself be called `typing.0002`. What stands in a file
decides, and names only put files in order.
"""

from pathlib import Path

from storage.files.safe_names import is_file_name_of

# Of a file that another one follows: what mends or copies a file then never takes long, and no
# editor or file system is asked for more.
MOST_FILE_BYTES = 1_000_000_000
_ENDING = ".jsonl"
_DIGITS = range(4, 10)  # as many as a part's number has


def in_order(path: Path) -> tuple[str, list[int]]:
    """Return what sorts a folder's files by name, and each category's by their numbers."""
    name, numbers = path.name.removesuffix(_ENDING), list[int]()
    while (split := _split(name)) is not None:
        name = split[0]
        numbers.insert(0, split[1])
    return f"{name}{_ENDING}", numbers


def shared_name(first: Path, category: str) -> str:
    """Return what the names of a category's files begin with; first: the first that is left."""
    name = first.name.removesuffix(_ENDING)
    split = _split(name)
    return name if split is None or is_file_name_of(name, category) else split[0]


def number_of(path: Path, shared: str) -> int | None:
    """Return which of a category's files one is, None for one of another name."""
    name = path.name.removesuffix(_ENDING)
    if name == shared:
        return 1
    split = _split(name)
    return split[1] if split is not None and split[0] == shared else None


def part_name(shared: str, number: int) -> str:
    """Return the name of one of a category's files, without its ending."""
    return f"{shared}.{number:04}"


def _split(name: str) -> tuple[str, int] | None:
    start, point, digits = name.rpartition(".")
    is_number = point and len(digits) in _DIGITS and digits.isascii() and digits.isdecimal()
    return (start, int(digits)) if start and is_number else None
