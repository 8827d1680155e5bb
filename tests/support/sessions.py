"""Whole sessions written straight into a store, of any size, for tests of what reads them."""

from collections.abc import Collection, Sequence
from itertools import chain, product
from pathlib import Path
from random import Random

import msgspec

from evaluation.evaluation_log import Basis, EvaluationLog, Key, Known
from evaluation.score_files import write_scores
from evaluation.scores import pairs, scores
from prompts.problems import load_problems
from prompts.prompt_template import PROMPT_VERSION
from storage.records.record_json import solutions_in
from storage.records.solution_record import (
    AttemptRecord,
    FailureRecord,
    FinishReason,
    SolutionRecord,
    UsageRecord,
)
from storage.records.tallies import is_valid
from storage.session.manifest import SessionMetadata
from storage.sessions import create_session
from storage.solution_store import SolutionStore
from tests.support.datasets import write_dataset
from tests.support.store_records import START, validation

FAILING = "Overloaded"


def write_session(
    folder: Path,
    *,
    models: int,
    categories: int,
    per_category: int,
    seed: int = 1,
    labels: Sequence[str] = (),
    tokens: int = 180,
    samples: int = 1,
) -> SolutionStore:
    """Return a finished session with a mixture of every kind of outcome; its dataset beside it.

    labels: of the models, instead of model-0, model-1 ...; tokens: of each prompt; samples: of
    each problem.
    """
    chance = Random(seed)
    counts = {f"category_{n:02}": per_category for n in range(categories)}
    dataset = write_dataset(folder / "dataset", counts)
    problems = load_problems(dataset)
    labels = list(labels) or [f"model-{n}" for n in range(models)]
    store = create_session(
        folder / "out",
        "session_1",
        SessionMetadata(
            collection_start=START,
            total_problems=len(problems),
            models=labels,
            categories=sorted(counts),
            session_parameters={
                "dataset_path": str(dataset),
                "batch_size": 10,
                **({"samples": samples} if samples > 1 else {}),
            },
            dataset={problem.task_id: problem.content_hash for problem in problems},
        ),
    )
    moment = START
    for problem, sample in product(problems, range(1, samples + 1)):
        for place, label in enumerate(labels):
            moment += chance.expovariate(2.0)
            if sample == 1 and chance.random() < 0.01:
                store.append_failure(_failure(problem.task_id, label, problem.category, moment))
                continue
            store.append(
                _answer(
                    SolutionRecord(
                        task_id=problem.task_id,
                        model=label,
                        problem=problem.problem,
                        category=problem.category,
                        complexity=problem.complexity,
                        raw_response="",
                        extracted_solution="",
                        validation={},
                        llm_call_success=True,
                        execution_time=round(chance.lognormvariate(0.5 + place / 5, 0.6), 3),
                        timestamp=moment,
                        sample=sample,
                        name=problem.name,
                        object=problem.object,
                        prompt_version=PROMPT_VERSION,
                        attempts=1 + (chance.random() < 0.05),
                    ),
                    chance,
                    tokens,
                )
            )
    store.finish()
    return store


def write_judgements(
    store: SolutionStore,
    isolation: str = "cage+landlock",
    *,
    text: str = "[1, 2]",
    unsolved: Collection[str] = (),
) -> None:
    """Add what an evaluation writes, for every answer: those whose code is valid passed.

    text: what tests that failed are about. unsolved: task ids of which no answer passed.
    """
    known: dict[Key, Known] = {}
    for model in store.answered_counts():
        for path in chain.from_iterable(store.answer_files(model)):
            target = store.path / "evaluation" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            lines = []
            for _, record in solutions_in(path):
                is_right = is_valid(record) and record.task_id not in unsolved
                lines.append(_judged(record, is_right, isolation, text))
                known[model, record.task_id, record.sample] = _known(record.category, is_right)
            target.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    found = scores(known.items())
    write_scores(EvaluationLog(store.path), found, pairs(found), {})


def _judged(record: SolutionRecord, is_right: bool, isolation: str, text: str) -> dict[str, object]:
    failed = {"number": 2, "test": f"func() == {text}", "came": f"came {text}", "expected": text}
    return {
        "task_id": record.task_id,
        "model": record.model,
        "sample": record.sample,
        "verdict": "passed" if is_right else "failed",
        "reason": "" if is_right else "wrong_answer",
        "passed_tests": 3 if is_right else 1,
        "total_tests": 3,
        "failed_test": None if is_right else failed,
        "cpu_seconds": 0.25,
        "peak_memory_mb": 17.4,
        "output_tail": "" if is_right else f"printed {text}",
        "isolation": isolation,
    }


def _known(category: str, is_right: bool) -> Known:
    basis = Basis("", "", "")
    if is_right:
        return Known(basis, "passed", "", 3, 3, category)
    return Known(basis, "failed", "wrong_answer", 1, 3, category)


def _answer(record: SolutionRecord, chance: Random, tokens: int) -> SolutionRecord:
    code = _code(record.name, chance)
    finish: FinishReason = "stop"
    raw = f"Here is **{record.name}**:\n\n```python\n{code}```\n{'It works well. ' * 20}\n"
    verdict = validation()
    kind = chance.random()
    if kind < 0.05:
        finish, code, verdict = "length", "", validation(valid=False, parses=False)
    elif kind < 0.08:
        finish, code, raw = "refusal", "", "I cannot help with that."
        verdict = validation(valid=False, parses=False)
    elif kind < 0.2:
        verdict = validation(valid=False, parses=kind < 0.14)
    return msgspec.structs.replace(
        record,
        raw_response=raw,
        extracted_solution=code,
        validation=verdict,
        finish_reason=finish,
        usage=UsageRecord(input_tokens=tokens, output_tokens=chance.randint(60, 900)),
        cost_usd=chance.random() / 100,
        parameters={"temperature": 0.2, "max_tokens": 4096},
    )


def _code(name: str, chance: Random) -> str:
    lines = [
        f"    step_{n} = value + {chance.randint(0, 999)}" for n in range(chance.randint(5, 30))
    ]
    return f"def {name}(value: int) -> int:\n" + "\n".join(lines) + "\n    return value\n"


def _failure(task_id: str, model: str, category: str, moment: float) -> FailureRecord:
    attempt = AttemptRecord(
        started=moment, seconds=1.5, wait_seconds=0.0, status=503, error=FAILING, message="busy"
    )
    return FailureRecord(
        task_id=task_id,
        model=model,
        category=category,
        error=FAILING,
        message="503: come back later",
        attempts=[attempt] * 3,
        timestamp=moment + 5,
    )
