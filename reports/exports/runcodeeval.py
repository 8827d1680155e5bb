"""The CodeEval evaluator's folders: a folder of answers a model, and its problems beside them.

What it reads: runcodeeval/utils/validation.py in github.com/dannybrahman/runcodeeval.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from prompts.problems import Problem, TestCase
from reports.exports.export_folder import open_folder
from reports.references import references_of
from storage.files.durability import replace_file
from storage.files.safe_names import safe_name
from storage.records.record_json import solutions_in_files
from storage.solution_store import SolutionStore

_LEVELS = (1, 3)  # the least and the greatest complexity that it takes


class _CandidateLine(msgspec.Struct):
    task_id: str
    model: str
    candidate_solution: str


class _BenchmarkLine(msgspec.Struct):
    """tests: each with the keys that it has; an empty one would be run as a test."""

    task_id: str
    name: str
    problem: str
    canonical_solution: str
    tests: list[dict[str, str]]
    topic: str
    object: str
    complexity: int


def write_folders(store: SolutionStore, target: Path) -> tuple[int, list[Path]]:
    """Write a folder a model, or where there are samples sample_1, sample_2 ... of such folders.

    Returns how many answers there are, and the folders. The problems stand beside the models, in
    benchmark_folder.
    """
    _write_benchmark(store, target)
    count, folders = 0, []
    for sample in range(1, store.samples + 1):
        place = target if store.samples == 1 else target / f"sample_{sample}"
        for model in store.answered_counts():
            for category, paths in store.category_files().get(model, {}).items():
                lines = list(_candidate_lines(paths, model, category, sample))
                folders.append(open_folder(store, place / paths[0].parent.name))
                replace_file(folders[-1] / paths[0].name, lines, durable=False)
                count += len(lines)
    return count, list(dict.fromkeys(folders))


def benchmark_folder(store: SolutionStore, target: Path) -> Path:
    """Return where the problems go: never where a model's answers go."""
    taken = {
        path.parent.name
        for model in store.answered_counts()
        for path in store.get_category_files(model).values()
    }
    name = "benchmark"
    while name in taken:
        name += "_problems"
    return target / name


def _with_tests(problem: Problem) -> Problem | None:
    return problem if problem.tests and problem.canonical_solution else None


def _write_benchmark(store: SolutionStore, target: Path) -> None:
    topics: dict[str, list[Problem]] = {}
    for problem in references_of(store, _with_tests)[0].values():
        topics.setdefault(problem.category, []).append(problem)
    if topics:
        folder = open_folder(store, benchmark_folder(store, target))
        for topic, problems in topics.items():
            replace_file(
                folder / f"{safe_name(topic)}.jsonl", _benchmark_lines(problems), durable=False
            )


def _benchmark_lines(problems: Sequence[Problem]) -> Iterator[bytes]:
    least, greatest = _LEVELS
    for problem in problems:
        line = _BenchmarkLine(
            task_id=problem.task_id,
            name=problem.name,
            problem=problem.problem,
            canonical_solution=problem.canonical_solution,
            tests=[dict(_keys_of(test)) for test in problem.tests],
            topic=problem.category,
            object=problem.object or _kind(problem),
            complexity=min(max(problem.complexity or least, least), greatest),
        )
        yield msgspec.json.encode(line) + b"\n"


def _keys_of(test: TestCase) -> Mapping[str, str]:
    keys = {"ctx": test.ctx, "assertion": test.assertion, "inspection": test.inspection}
    return {name: text for name, text in keys.items() if text}


def _kind(problem: Problem) -> str:
    return "class" if f"class {problem.name}" in problem.canonical_solution else "function"


def _candidate_lines(
    paths: Sequence[Path], model: str, category: str, sample: int
) -> Iterator[bytes]:
    for _, _, record in solutions_in_files(paths):
        if (record.model, record.category, record.sample) == (model, category, sample):
            line = _CandidateLine(record.task_id, record.model, record.extracted_solution)
            yield msgspec.json.encode(line) + b"\n"
