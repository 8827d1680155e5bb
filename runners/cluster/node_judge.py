"""The sandboxes of one processor of a cluster: an actor there, which trusts only its own probe."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from evaluation.cage import Isolation, ZygotePlan
from evaluation.isolation import probe
from evaluation.jobs import Job, JobResult
from evaluation.policy import Policy
from evaluation.worker import SandboxLost, Worker


class NodeJudge:
    """Runs jobs where this node's isolation holds; it holds one zygote for each hash seed."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._holds: set[Isolation] = set()
        self._workers: dict[tuple[Isolation, int], Worker] = {}
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def troubles(self, layers: Sequence[Isolation]) -> dict[Isolation, str]:
        """Return why each isolation does not hold on this node, "" where it does."""
        found = {layer: (await probe(layer, self._policy)).trouble for layer in layers}
        self._holds |= {layer for layer, trouble in found.items() if not trouble}
        return found

    async def run(self, isolation: Isolation, hash_seed: int, job: Job) -> JobResult | str:
        """Return a job's result, or why the sandbox has none."""
        if isolation not in self._holds:
            return f"{isolation} does not hold on this node"
        async with self._turns[hash_seed]:
            try:
                return await self._worker(isolation, hash_seed).run(job)
            except SandboxLost as error:
                return str(error)

    def _worker(self, isolation: Isolation, hash_seed: int) -> Worker:
        key = (isolation, hash_seed)
        if key not in self._workers:
            self._workers[key] = Worker(
                ZygotePlan(
                    isolation=isolation,
                    policy=self._policy,
                    folder=Path(),
                    hash_seed=hash_seed,
                    number=hash_seed,
                )
            )
        return self._workers[key]
