"""The flags for work that takes processor time, and what does it: this machine, or a cluster."""

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from processors.workers.bounds import Bounds
from processors.workers.chunks import window_for
from processors.workers.engine import Engine
from processors.workers.executor import WorkerExecutor
from scripts._cli import positive_int

if TYPE_CHECKING:
    from runners.cluster.ray_cluster import RayCluster


def add_engine_flags(parser: argparse._ActionsContainer, workers_help: str) -> None:
    """Add --workers and --ray, of which one may be given."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--workers", type=positive_int, metavar="N", help=workers_help)
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="work on a Ray cluster: host:port, auto (this machine's) or local (started for this; "
        "never faster than --workers); needs requirements-ray.txt",
    )


@contextlib.contextmanager
def open_engine(args: argparse.Namespace, bounds: Bounds) -> Iterator[Engine]:
    """Yield what does the work, within bounds; raises ConfigError where the cluster cannot."""
    if args.ray is None:
        with WorkerExecutor(args.workers, bounds) as executor:
            yield Engine(executor, window_for(executor.count))
        return
    with joined_cluster(args.ray) as cluster, cluster.executor(bounds) as executor:
        yield Engine(executor, window_for(cluster.count))


@contextlib.contextmanager
def joined_cluster(address: str) -> Iterator["RayCluster"]:
    """Yield a cluster, and say what the user should know of it; ConfigError where there is none."""
    from runners.cluster.ray_cluster import ray_cluster

    with ray_cluster(address) as cluster:
        warn(cluster.warnings)
        yield cluster
        warn(f"{node} was lost: what it had in hand was done again" for node in cluster.lost_nodes)


def warn(warnings: Iterable[str]) -> None:
    """Print warnings beside what the command has to say."""
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
