"""OpenAI's HumanEval (github.com/openai/human-eval, MIT licence) as problems of the collector."""

import ast
import gzip
import io
import json
import zlib
from collections.abc import Iterator

import msgspec

from config.errors import DatasetError

_MOST_BYTES = 200_000_000  # the real one has 214,000
_LEVELS = ((5, 1), (12, 2))  # reference solutions of up to so many lines; longer ones are level 3


class _Row(msgspec.Struct):
    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


def humaneval_files(packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (file name, lines of problems) from HumanEval.jsonl.gz, a file a category.

    The category is what the first argument in the problem's tests is; the level goes by the
    length of the reference solution. Raises DatasetError where the file cannot be read.
    """
    files: dict[str, list[bytes]] = {}
    for row in _rows(packed):
        category = _category(row)
        line = json.dumps(_problem(row, category)).encode("utf-8") + b"\n"
        files.setdefault(category, []).append(line)
    for category, lines in sorted(files.items()):
        yield f"{category}.jsonl", b"".join(lines)


def _rows(packed: bytes) -> list[_Row]:
    try:
        with gzip.open(io.BytesIO(packed)) as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise DatasetError(f"HumanEval.jsonl.gz holds more than {_MOST_BYTES:,} bytes")
        lines = content.splitlines()
        return [msgspec.json.decode(line, type=_Row) for line in lines if line.strip()]
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise DatasetError(f"HumanEval.jsonl.gz cannot be read: {error}") from error


def _problem(row: _Row, category: str) -> dict[str, object]:
    length = len(row.canonical_solution.strip().splitlines())
    return {
        "task_id": row.task_id.replace("HumanEval/", "humaneval_"),
        "name": row.entry_point,
        "problem": f"Complete the function `{row.entry_point}` so that it does what its docstring "
        f"says.\n\n{row.prompt.strip()}",
        "canonical_solution": row.prompt.lstrip() + row.canonical_solution,
        "tests": json.dumps([{"ctx": row.test, "assertion": "check(func) is None"}]),
        "category": category,
        "complexity": next((level for lines, level in _LEVELS if length <= lines), 3),
        "object": "function",
    }


def _category(row: _Row) -> str:
    """Return the type of the first argument that is written out in the tests."""
    try:
        tests = ast.parse(row.test)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DatasetError(f"{row.task_id}: its tests are no Python: {error}") from error
    for node in ast.walk(tests):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            if node.func.id != "candidate":
                continue
            try:
                return type(ast.literal_eval(node.args[0])).__name__
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
    return "other"
