"""Ray as an engine for chunks of work. The one file that imports ray, and only where it is asked.

Nothing of a session goes to a node but the chunks themselves; a chunk whose node is lost is done
again on another. Ray's own logs and statistics stay off.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ParamSpec, TypeVar, cast

from config.errors import ConfigError, NoWorker
from processors.workers.bounds import Bounds
from processors.workers.pool import usable_cores
from processors.workers.worker import bare_environment
from runners.cluster.node_facts import CODE_FOLDERS, describe_node, facts
from runners.cluster.node_work import perform
from runners.cluster.remote_errors import NodeLost, NodeUnavailable

P = ParamSpec("P")
T = TypeVar("T")
REQUIREMENTS = "requirements-ray.txt"
_ROOT = Path(__file__).resolve().parent.parent.parent
_CONNECT_SECONDS = 5.0
_DESCRIBE_SECONDS = 120.0  # the program's code is sent to the node first
_MOST_LOST_NODES = 10  # over one chunk
# Without these, what a frozen machine has in hand is waited for seven minutes longer than it takes
# to see that the machine is lost.
_QUICKLY_LOST = {
    "RAY_grpc_client_keepalive_time_ms": "10000",
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
}


@dataclass(frozen=True, slots=True)
class _Description:
    """What a node is like; differences: from this machine."""

    differences: list[str]
    takes_tokens: bool


class RayCluster:
    """A cluster that this process joined.

    count: its processors. warnings: what the user should know of it beforehand.
    takes_tokens: nobody without a token can run code on it, as far as is known.
    """

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray
        self.count = max(1, int(ray.cluster_resources().get("CPU", 0)))
        self.warnings: list[str] = []
        self.takes_tokens = False
        self._nodes = {node["NodeID"]: _name(node) for node in ray.nodes() if node["Alive"]}

    @property
    def lost_nodes(self) -> list[str]:
        """Those that answered at the start and are gone."""
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        return [name for node_id, name in self._nodes.items() if node_id not in alive]

    def executor(self, bounds: Bounds) -> "RayExecutor":
        """Return an Executor whose work is done within bounds, one piece at a time a processor."""
        return RayExecutor(self._ray, bounds)

    def actor(self, kind: type, *arguments: object, processors: float = 1.0) -> "RayActor":
        """Return an object of a class on some node, in a process of its own.

        It is not started again where it is lost, and ends with this process. processors: how
        many it has to itself.
        """
        remote = self._ray.remote(kind).options(
            num_cpus=processors, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        return RayActor(self._ray, remote.remote(*arguments))

    @property
    def spans_machines(self) -> bool:
        """Tell whether a node is on another machine than this process."""
        here = self._ray.util.get_node_ip_address()
        return any(node["NodeManagerAddress"] != here for node in self._ray.nodes())

    def check_nodes(self, packages: Sequence[str] = ()) -> None:
        """Raise ConfigError where a node does not answer, or runs anything but what runs here.

        packages: what else has to be alike.
        """
        asked = {self._ask(node_id, packages): name for node_id, name in self._nodes.items()}
        answered, silent = self._ray.wait(
            list(asked), num_returns=len(asked), timeout=_DESCRIBE_SECONDS
        )
        differences = [f"{asked[reference]} does not answer" for reference in silent]
        descriptions = [self._description(reference, packages) for reference in answered]
        for reference, found in zip(answered, descriptions, strict=True):
            differences += [f"{asked[reference]} {what}" for what in found.differences]
        if differences:
            raise ConfigError(f"the Ray cluster is not fit for this work: {'; '.join(differences)}")
        self.takes_tokens = all(found.takes_tokens for found in descriptions)
        if not self.takes_tokens:
            self.warnings.append(
                "this Ray cluster asks for no token: whoever reaches its port can run code on it"
            )

    def _description(self, reference: object, packages: Sequence[str]) -> "_Description":
        try:
            found, takes_tokens = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return _Description([f"cannot work: {_first_line(error)}"], takes_tokens=False)
        differences = [
            f"has {name} {found[name]}, not {wanted}"
            for name, wanted in facts(packages).items()
            if found[name] != wanted
        ]
        return _Description(differences, takes_tokens)

    def _ask(self, node_id: str, packages: Sequence[str]) -> object:
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        there = strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)
        remote = self._ray.remote(describe_node).options(num_cpus=0, scheduling_strategy=there)
        return cast(object, remote.remote(packages))


class RayExecutor(Executor):
    """Submit a module's function and a payload: it runs on some node, within bounds."""

    def __init__(self, ray: ModuleType, bounds: Bounds) -> None:
        self._bounds = bounds
        self._perform = ray.remote(perform).options(num_cpus=1, max_retries=_MOST_LOST_NODES)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Return the future of fn(payload); NoWorker where no node could do the work."""
        (payload,) = args
        assert isinstance(payload, bytes) and not kwargs, "work goes from bytes to bytes"
        reference = self._perform.remote(fn, self._bounds, payload)
        return _in_our_words(reference.future())


class RayActor:
    """An object on some node."""

    def __init__(self, ray: ModuleType, handle: object) -> None:
        self._ray = ray
        self._handle = handle

    async def call(self, method: str, *arguments: object) -> object:
        """Return what a method gave.

        Raises NodeLost where it gave nothing, NodeUnavailable where it may be alive all the same.
        """
        reference = getattr(self._handle, method).remote(*arguments)
        try:
            return await asyncio.wrap_future(cast(Future[object], reference.future()))
        except self._ray.exceptions.ActorUnavailableError as error:
            raise NodeUnavailable(_first_line(error)) from error
        except self._ray.exceptions.RayError as error:
            raise NodeLost(_first_line(error)) from error

    def end(self) -> None:
        """End its process."""
        self._ray.kill(self._handle)


@contextlib.contextmanager
def ray_cluster(address: str, packages: Sequence[str] = ()) -> Iterator[RayCluster]:
    """Join a cluster until the end: host:port, "auto" for this machine's, "local" for a new one.

    packages: what nodes need beside what they always do, in the same version.
    Raises ConfigError where ray is not installed, or the cluster cannot be used.
    """
    ray = _library()
    with _signals_as_they_were():
        _join(ray, address)
    try:
        cluster = RayCluster(ray)
        cluster.check_nodes(packages)
        yield cluster
    finally:
        ray.shutdown()


def _library() -> ModuleType:
    # Both are read when ray is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.update(_QUICKLY_LOST | os.environ)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ConfigError(f"--ray needs ray: python -m pip install -r {REQUIREMENTS}") from error


def _join(ray: ModuleType, address: str) -> None:
    options: dict[str, object] = {}
    if address == "local":
        options = {"num_cpus": usable_cores(), "include_dashboard": False}
    elif address != "auto":
        _check_reachable(address)
    code = {"working_dir": str(_ROOT), "excludes": _what_no_node_needs()}
    try:
        with _bare_environment():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level="error",
                runtime_env=code,
                **options,
            )
        # Without log_to_driver it still prints, to standard output, what nodes complain of.
        importlib.import_module("ray._private.worker").__dict__["_worker_logs_enabled"] = False
    except ConnectionError as error:
        raise ConfigError(f"--ray {address}: no cluster is there") from error
    except Exception as error:  # it raises errors of every kind, plain ones too
        raise ConfigError(f"--ray {address}: {_first_line(error)}") from error


def _check_reachable(address: str) -> None:
    """Raise ConfigError where nobody listens: ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"--ray {address}: neither host:port nor auto or local")
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--ray {address}: no cluster is there: {error}") from error


def _what_no_node_needs() -> list[str]:
    """Return everything but the code, as .gitignore would have it: no data, no .env."""
    others = (path.name for path in _ROOT.iterdir() if path.name not in CODE_FOLDERS)
    return ["__pycache__", *(f"/{name}" for name in others)]


@contextlib.contextmanager
def _bare_environment() -> Iterator[None]:
    """Hide keys from the processes that Ray starts; RAY_ADDRESS, too: the flag alone says where."""
    bare = bare_environment(os.environ)
    hidden = {
        name: value
        for name, value in os.environ.items()
        if name not in bare and (not name.startswith("RAY_") or name == "RAY_ADDRESS")
    }
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextlib.contextmanager
def _signals_as_they_were() -> Iterator[None]:
    """Keep what a signal means to this program: ray.init ends it at SIGTERM in a way of its own."""
    former = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _in_our_words(theirs: Future[T]) -> Future[T]:
    """Return a future whose error is one line."""
    ours: Future[T] = Future()

    def pass_on(done: Future[T]) -> None:
        error = done.exception()
        if not ours.set_running_or_notify_cancel():
            return
        if error is None:
            ours.set_result(done.result())
        else:
            ours.set_exception(NoWorker(f"the Ray cluster: {_first_line(error)}"))

    theirs.add_done_callback(pass_on)
    return ours


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def _name(node: dict[str, object]) -> str:
    return f"node {node['NodeManagerAddress']} ({str(node['NodeID'])[:8]})"
