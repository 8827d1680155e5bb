"""--ray of the commands that collect: a cluster makes the calls, all else happens here."""

import argparse
import contextlib
import logging
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from config.errors import ConfigError

if TYPE_CHECKING:
    from models.base_model import BaseModel
    from runners.calls.sender import Sender
    from runners.cluster.ray_cluster import RayCluster
    from runners.session.run_models import RunModels

logger = logging.getLogger("collector")

_PROCESSORS = 0.1  # of a node that a host counts for: it mostly waits


def add_ray_flag(group: argparse._ActionsContainer) -> None:
    """Add --ray."""
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="let a Ray cluster make the calls, each key's from one node: host:port, auto (this "
        "machine's) or local (started for this); no faster (docs/cluster.md); needs "
        "requirements-ray.txt",
    )


def refuse_ray_with(args: argparse.Namespace, *others: str) -> None:
    """Raise ConfigError where --ray is given beside a flag with which nobody is called."""
    if args.ray is None:
        return
    for name in others:
        if getattr(args, name) not in (None, False):
            raise ConfigError(f"--{name.replace('_', '-')} asks no model: leave --ray out")


@contextlib.contextmanager
def call_sender(address: str | None, models: "RunModels") -> Iterator["Sender"]:
    """Yield what makes the calls: this process, or a cluster's hosts.

    Raises ConfigError where the cluster cannot, or must not, be given keys.
    """
    if address is None:
        from runners.calls.sender import SEND_FROM_HERE

        yield SEND_FROM_HERE
        return
    from config.clock import SystemClock
    from runners.cluster.call_host import NodeCallHost
    from runners.cluster.call_hosts import CallHosts
    from runners.cluster.ray_cluster import ray_cluster

    # As many as these models need: what the others need may be missing on the nodes.
    packages = sorted({"aiohttp", *(model.sdk for model in models if model.sdk)})
    with ray_cluster(address, packages) as cluster:
        _check(cluster, address, models)
        new_host = partial(cluster.actor, NodeCallHost, processors=_PROCESSORS)
        here = [models.extraction] if models.extraction else []
        yield CallHosts(new_host, here, SystemClock())
        for node in cluster.lost_nodes:
            logger.warning("%s was lost", node)


def _check(cluster: "RayCluster", address: str, models: "RunModels") -> None:
    from runners.cluster.call_hosts import runs_here

    if not cluster.takes_tokens:
        raise ConfigError(
            f"--ray {address}: this cluster asks for no token, so whoever reaches its port could "
            "have the keys of this run: start it with RAY_AUTH_MODE=token"
        )
    if cluster.spans_machines:
        for model in models.answering:
            if not runs_here(model):
                _refuse_own_address(model)


def _refuse_own_address(model: "BaseModel") -> None:
    for each in model.at_each_address():
        if _is_loopback(urlsplit(each.base_url).hostname or ""):
            raise ConfigError(
                f"{model.config.base_url_env}={each.base_url} is another machine on every node of "
                "the cluster: give the address that all of them know it by"
            )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
