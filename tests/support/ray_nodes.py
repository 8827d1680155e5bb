"""A Ray cluster on this machine, in a process of its own: a head without processors, and nodes.

Run as a program it says where it is, then obeys a word a line: kill N, freeze N, thaw N, add (a
node that takes the last one's place), kill-host (of those that make calls, whichever comes first).
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Self

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# A node that says nothing for some ten seconds is lost; by default it takes a minute.
_QUICK_CHECKS = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 5,
}
TOO_BUSY = "timed out during startup"  # Ray gives a node half a minute
# A cluster that anybody on this machine may join, with nothing sent home.
SETTINGS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_grpc_client_keepalive_time_ms": "3000",
    "RAY_grpc_client_keepalive_timeout_ms": "3000",
}
# One that keys may be given to.
WITH_TOKEN = {**SETTINGS, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}


class RayNodes:
    """`with RayNodes(environment) as nodes:` two nodes of one processor each, numbered from 0."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__
        self.address = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.ray_nodes"],
            cwd=ROOT,
            env={**os.environ, **SETTINGS, **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        self.address = self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._complaints.close()

    def say(self, word: str) -> None:
        """Return once it is done."""
        assert self._process.stdin
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._answer() == word

    def _answer(self) -> str:
        assert self._process.stdout
        while line := self._process.stdout.readline():
            if line.startswith("> "):  # the rest is Ray's own
                return line.removeprefix("> ").strip()
        self._complaints.seek(0)
        complaints = self._complaints.read()
        if TOO_BUSY in complaints:
            pytest.skip("this machine is too busy to start Ray")
        raise AssertionError(f"the cluster's process ended: {complaints[-2000:]}")


def _serve() -> None:
    ray = import_module("ray.cluster_utils")
    arguments = {"num_cpus": 0, "include_dashboard": False, "_system_config": _QUICK_CHECKS}
    cluster = ray.Cluster(initialize_head=True, head_node_args=arguments)
    nodes = [cluster.add_node() for _ in range(2)]
    try:
        print(f"> {cluster.address}", flush=True)
        for line in sys.stdin:
            match line.split():
                case ["kill", number]:
                    _send_to_all(nodes[int(number)], signal.SIGKILL)
                case ["freeze", number]:
                    _send_to_all(nodes[int(number)], signal.SIGSTOP)
                case ["thaw", number]:
                    _send_to_all(nodes[int(number)], signal.SIGCONT)
                case ["add"]:
                    nodes.append(cluster.add_node())
                case ["kill-host"]:
                    os.kill(next(host for node in nodes for host in _hosts(node)), signal.SIGKILL)
            print(f"> {line.strip()}", flush=True)
    finally:
        # Ray's own way down waits for what a node that was killed can no longer say.
        for node in [*nodes, cluster.head_node]:
            _send_to_all(node, signal.SIGKILL)
        os._exit(0)


def _send_to_all(node: ModuleType, number: signal.Signals) -> None:
    """Let a signal reach the node and whatever it started."""
    for pid in _processes(node):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _processes(node: ModuleType) -> list[int]:
    pids = [process.pid for _, process in node.live_processes()]
    return [*pids, *(below for above in pids for below in _descendants(above))]


def _hosts(node: ModuleType) -> Iterator[int]:
    for pid in _processes(node):
        with contextlib.suppress(FileNotFoundError):
            if b"NodeCallHost" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield pid


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(FileNotFoundError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                yield child
                yield from _descendants(child)


if __name__ == "__main__":
    _serve()
