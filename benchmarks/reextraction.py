"""Re-extraction of 100,000 replies: what a second worker brings, and what Ray costs beside it.

The replies are a real model's, over and over, written straight into a session. Its records are read
again by scripts/reprocess_session.py with one worker, with two and, where ray is installed, with
`--ray local`; the new records must be the same to the byte. Processor time is that of all processes
of a command, Ray's own among them.

Run `python benchmarks/reextraction.py [--replies N]`; on a busy machine only its processor time can
be believed.
"""

import argparse
import contextlib
import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import ROOT, Figure, at_most, collector_variables
from storage.records.solution_record import SolutionRecord
from storage.session.manifest import SessionMetadata
from storage.sessions import create_session
from storage.solution_store import SolutionStore
from tests.processors.extraction_corpus.cases import load_real_cases

_MODELS = 10
_CATEGORIES = 10
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_SECONDS = 0.2  # Ray does not wait for its processes, so theirs is looked at as they run


@dataclass(frozen=True, slots=True)
class _Reading:
    wall_seconds: float
    cpu_seconds: float
    digest: str


def figures(replies: int = 100_000) -> Iterator[Figure]:
    """Yield what two workers take in terms of one, and the cluster engine in terms of those two."""
    _adopt_orphans()
    with tempfile.TemporaryDirectory() as name:
        store = write_replies(Path(name), replies)
        one, two = (_read_again(store, "--workers", number) for number in ("1", "2"))
        assert one.digest == two.digest, "two workers wrote other records"
        yield at_most(
            "re-extraction",
            f"{replies:,} replies, 2 workers / 1",
            two.wall_seconds / one.wall_seconds,
            0.6,
            "x",
            f"{two.wall_seconds:.1f} and {one.wall_seconds:.1f} s, {two.cpu_seconds:.1f} and "
            f"{one.cpu_seconds:.1f} s of processor time, same bytes",
        )
        if find_spec("ray") is None:
            return
        ray = _read_again(store, "--ray", "local")
        assert ray.digest == two.digest, "Ray's workers wrote other records"
        yield at_most(
            "re-extraction",
            f"{replies:,} replies, processor time with --ray local / 2 workers",
            ray.cpu_seconds / two.cpu_seconds,
            2,
            "x",
            f"{ray.cpu_seconds:.1f} s in {ray.wall_seconds:.1f} s, same bytes",
        )


def write_replies(folder: Path, replies: int) -> SolutionStore:
    """Return a finished session of that many answers, all to be read again."""
    models = [f"model-{number}" for number in range(_MODELS)]
    categories = [f"category_{number}" for number in range(_CATEGORIES)]
    problems = replies // _MODELS
    metadata = SessionMetadata(
        collection_start=1e9,
        total_problems=problems,
        models=models,
        categories=categories,
        session_parameters={"output_dir": str(folder)},
    )
    store = create_session(folder, "s", metadata)
    cases = load_real_cases()
    for number in range(replies):
        case = cases[number % len(cases)]
        store.append(
            SolutionRecord(
                task_id=f"task_{number // _MODELS}",
                model=models[number % _MODELS],
                problem="Return what is asked for. " * 20,
                complexity=None,
                category=categories[number // _MODELS % _CATEGORIES],
                raw_response=case.reply,
                extracted_solution="",
                validation={},
                llm_call_success=True,
                execution_time=1.0,
                timestamp=1e9 + number,
                name=case.name or "",
                object="function",
            )
        )
    store.finish()
    return store


def _read_again(store: SolutionStore, *flags: str) -> _Reading:
    script = str(ROOT / "scripts" / "reprocess_session.py")
    started = time.perf_counter()
    used: dict[int, float] = {}
    with subprocess.Popen(
        [sys.executable, script, str(store.path), *flags],
        env={**os.environ, **collector_variables({})},
        stdout=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            for pid in _descendants(os.getpid()):
                used[pid] = max(used.get(pid, 0.0), _cpu_seconds(pid))
            time.sleep(_LOOK_SECONDS)
    wall = time.perf_counter() - started
    assert process.returncode == 0, "the command failed"
    _wait_for_orphans()
    (folder,) = (store.path / "reprocessed").iterdir()
    return _Reading(wall, sum(used.values()), _digest(folder))


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                yield child
                yield from _descendants(child)


def _cpu_seconds(pid: int) -> float:
    """Return a process's processor time; its children's is their own."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.jsonl")):
        whole.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return whole.hexdigest()


def _adopt_orphans() -> None:
    """Let processes that outlive their parent be this one's, so that their time is counted."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _wait_for_orphans() -> None:
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=100_000)
    for figure in figures(parser.parse_args().replies):
        print(figure)


if __name__ == "__main__":
    main()
