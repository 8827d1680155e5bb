"""What is derived from a session's judgements: evaluation/manifest.json and summary.json."""

import platform
from collections.abc import Mapping, Sequence

from evaluation.cage import Isolation
from evaluation.evaluation_log import EvaluationLog
from evaluation.policy import Policy
from evaluation.score_summary import score_summary
from evaluation.scores import ModelScore, Pair
from prompts.problems import Problem
from storage.session.manifest import dataset_hash


def write_scores(
    log: EvaluationLog,
    found: Mapping[str, ModelScore],
    compared: Sequence[Pair],
    bad_problems: Mapping[str, str],
) -> None:
    """Write what the judgements come to; bad_problems: task_id -> why it judges nobody."""
    log.write_json("summary.json", score_summary(found, compared, bad_problems))


def write_conditions(
    log: EvaluationLog, isolation: Isolation, policy: Policy, problems: Sequence[Problem]
) -> None:
    """Write under which conditions the last evaluation judged."""
    hashes = {problem.task_id: problem.content_hash for problem in problems}
    log.write_json(
        "manifest.json",
        {
            "isolation": isolation,
            "policy": policy.name,
            "cpu_limit_seconds": policy.cpu_seconds,
            "memory_mb": policy.memory_mb,
            "decoys": policy.use_decoys,
            "python": platform.python_version(),
            "kernel": platform.release(),
            "machine": platform.machine(),
            "dataset": dataset_hash(hashes),
        },
    )
