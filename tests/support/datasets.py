"""Problem files for tests."""

import json
from pathlib import Path


def problem_row(task_id: str, **changes: object) -> dict[str, object]:
    """Return one row of a dataset, good as it is."""
    number = task_id.rpartition("_")[2]
    return {
        "task_id": task_id,
        "name": f"solve_{number}",
        "problem": f"Write `func`, the {task_id} of all, that returns its first argument.",
        "canonical_solution": f"def solve_{number}(value):\n    return value\n",
        "tests": '[{"ctx": "", "assertion": "func(1) == 1"}]',
        "category": "sums",
        "complexity": 1,
        "object": "function",
    } | changes


def write_dataset(folder: Path, counts: dict[str, int]) -> Path:
    """Write so many problems of each category, a file a category; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for category, count in counts.items():
        rows = [problem_row(f"{category}_{n}", category=category) for n in range(1, count + 1)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{category}.jsonl").write_text(lines, encoding="utf-8")
    return folder
