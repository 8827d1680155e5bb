"""Problem files for tests."""

import json
import re
from pathlib import Path

_STARTER = Path(__file__).resolve().parent.parent.parent / "dataset" / "starter"


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


def write_varied_dataset(folder: Path, per_category: int) -> Path:
    """Write variants of the starter problems, each with a name and a solution of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(_STARTER.glob("*.jsonl")):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        variants = [_variant(rows[n % len(rows)], n + 1) for n in range(per_category)]
        lines = "".join(json.dumps(row) + "\n" for row in variants)
        (folder / file.name).write_text(lines, encoding="utf-8")
    return folder


def _variant(row: dict[str, str], number: int) -> dict[str, str]:
    name = f"{row['name']}_{row['category']}_{number}"
    solution = re.sub(rf"\b{row['name']}\b", name, row["canonical_solution"])
    task_id = f"{row['category']}_{number}"
    return {**row, "task_id": task_id, "name": name, "canonical_solution": solution}
