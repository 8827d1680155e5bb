"""The sandboxes of a whole cluster, as the judge wants them; what a lost node had is run again.

A node that is lost says nothing about an answer: its job goes to another, and where none is left
the answer is not run, which the next evaluation makes good.
"""

import asyncio
from collections.abc import Mapping, Sequence

from evaluation.cage import Isolation, ZygotePlan
from evaluation.isolation import LAYERS, NoIsolation
from evaluation.jobs import Job, JobResult
from evaluation.policy import Policy
from evaluation.worker import SandboxLost
from runners.cluster.node_judge import NodeJudge
from runners.cluster.ray_cluster import RayActor, RayCluster
from runners.cluster.remote_errors import NodeLost

_START_SECONDS = 120.0  # of an actor; where processors are busy with other work it never starts
_TRIES = 5  # of one job, on nodes that are lost over it


class ClusterSandboxes:
    """`isolation = await sandboxes.open(wanted)`, then new_sandbox makes the judge's.

    count: how many jobs run at once. lost: how many of their processors were lost.
    warnings: what the user should know of it beforehand.
    """

    def __init__(self, cluster: RayCluster, policy: Policy) -> None:
        self.count = self.lost = 0
        self.warnings: list[str] = []
        self._cluster = cluster
        self._policy = policy
        self._isolation: Isolation = "none"
        self._free: asyncio.Queue[RayActor] = asyncio.Queue()
        self._alive = 0
        self._replacing: set[asyncio.Task[None]] = set()

    async def open(self, wanted: Isolation | None) -> Isolation:
        """Return the best isolation that holds on every node that has one, or the one wanted.

        Raises NoIsolation where no node has any.
        """
        layers = (wanted,) if wanted else LAYERS
        actors = [self._new_actor() for _ in range(self._cluster.count)]
        found = await asyncio.gather(*(self._troubles(actor, layers) for actor in actors))
        fit = [troubles for troubles in found if "" in troubles.values()]
        self.warnings = sorted(
            {f"not judged on: {_told(troubles)}" for troubles in found if troubles not in fit}
        )
        common = [layer for layer in layers if fit and all(not each[layer] for each in fit)]
        if not common:
            raise NoIsolation(f"no sandbox holds on the cluster: {'; '.join(self.warnings)}")
        self._isolation = common[0]
        for actor, troubles in zip(actors, found, strict=True):
            self._take_or_end(actor, troubles)
        self.count = self._alive
        return self._isolation

    def new_sandbox(self, plan: ZygotePlan) -> "ClusterSandbox":
        """Return a sandbox that is wherever one is free."""
        return ClusterSandbox(self, plan.hash_seed)

    async def run(self, hash_seed: int, job: Job) -> JobResult:
        """Return a job's result; raises SandboxLost where no node has one."""
        for _ in range(_TRIES):
            actor = await self._free_actor()
            try:
                result = await actor.call("run", self._isolation, hash_seed, job)
            except NodeLost:
                self.lost += 1
                self._alive -= 1
                self._replacing.add(task := asyncio.create_task(self._replace()))
                task.add_done_callback(self._replacing.discard)
                continue
            self._free.put_nowait(actor)
            if isinstance(result, JobResult):
                return result
            raise SandboxLost(str(result))
        raise SandboxLost("node after node of the cluster was lost")

    async def _free_actor(self) -> RayActor:
        while True:
            try:
                async with asyncio.timeout(_START_SECONDS):
                    return await self._free.get()
            except TimeoutError:
                if not self._alive:
                    raise SandboxLost("every node of the cluster was lost") from None

    async def _replace(self) -> None:
        """Start another actor, on whatever processor is free or will be."""
        actor = self._new_actor()
        self._take_or_end(actor, await self._troubles(actor, (self._isolation,)))

    def _new_actor(self) -> RayActor:
        return self._cluster.actor(NodeJudge, self._policy)

    async def _troubles(
        self, actor: RayActor, layers: Sequence[Isolation]
    ) -> Mapping[Isolation, str]:
        try:
            async with asyncio.timeout(_START_SECONDS):
                troubles = await actor.call("troubles", layers)
        except (NodeLost, TimeoutError) as error:
            return dict.fromkeys(layers, str(error) or "its processor is busy with other work")
        assert isinstance(troubles, dict)
        return troubles

    def _take_or_end(self, actor: RayActor, troubles: Mapping[Isolation, str]) -> None:
        if troubles[self._isolation]:
            actor.end()
        else:
            self._alive += 1
            self._free.put_nowait(actor)


class ClusterSandbox:
    """One of the judge's sandboxes: a turn on some node."""

    def __init__(self, sandboxes: ClusterSandboxes, hash_seed: int) -> None:
        self._sandboxes = sandboxes
        self._hash_seed = hash_seed

    async def run(self, job: Job) -> JobResult:
        """Return a job's result; raises SandboxLost where there is none."""
        return await self._sandboxes.run(self._hash_seed, job)

    async def stop(self) -> None:
        """Nothing to do: zygotes end with their actor."""


def _told(troubles: Mapping[Isolation, str]) -> str:
    return ", ".join(f"{layer}: {trouble}" for layer, trouble in troubles.items())
