"""--ray of the commands that collect: nothing lost, nothing doubled, no key on any disk."""

import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from random import Random
from signal import SIGINT

import pytest

from benchmarks.ray_faults import Bench
from tests.commands.test_ray import SAYING_ITS_MODULES, WITHOUT_RAY
from tests.support.command import run
from tests.support.datasets import write_dataset
from tests.support.program import MODELS, Collection, possibly_billed
from tests.support.ray_nodes import SETTINGS, TOO_BUSY, WITH_TOKEN, RayNodes
from tests.support.session_check import check_agreement, read_object
from tests.support.watched_server import WatchedServer

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
PROBLEMS, AT_ONCE = 20, 2
FLAGS = ("--max-concurrent", str(AT_ONCE))


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Return where Ray keeps its logs: its sockets' paths have to be short."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def collection_of(server: WatchedServer, tmp_path: Path) -> Collection:
    dataset = write_dataset(tmp_path / "data", {"sums": PROBLEMS})
    return Collection(server, dataset, tmp_path / "out", *FLAGS)


@pytest.mark.parametrize(
    ("script", "flags"),
    [
        ("run_collection.py", ("--dry-run",)),
        ("run_collection.py", ("--list-models",)),
        ("resume_collection.py", ("s", "--status")),
        ("resume_collection.py", ("s", "--cancel-batches")),
    ],
)
async def test_a_command_that_asks_no_model_wants_no_cluster(
    script: str, flags: tuple[str, ...]
) -> None:
    finished = await run(script, *flags, "--ray", "local")
    assert finished.exit_code == 2
    assert finished.stderr == f"error: {flags[-1]} asks no model: leave --ray out\n"


async def test_without_the_flag_a_collection_imports_no_ray(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path)
        program = await collection.start(wrapper=SAYING_ITS_MODULES, RAY_ADDRESS="127.0.0.1:1")
        finished = await program.finished()
    assert finished.exit_code == 0
    assert finished.stderr.endswith("ray: False\n")


async def test_without_ray_installed_no_session_is_made(tmp_path: Path) -> None:
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path)
        program = await collection.start("--ray", "local", wrapper=WITHOUT_RAY)
        finished = await program.finished()
    assert finished.exit_code == 2
    assert finished.stderr.startswith("error: --ray needs ray: python -m pip install")
    assert server.arrived == 0 and not collection.session.exists()


@needs_ray
@pytest.mark.slow
async def test_a_cluster_that_lets_anybody_in_is_given_no_key(
    tmp_path: Path, ray_folder: Path
) -> None:
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path)
        environment = {**SETTINGS, "RAY_TMPDIR": str(ray_folder)}
        finished = await (await collection.start("--ray", "local", **environment)).finished()
    if TOO_BUSY in finished.stderr:
        pytest.skip("this machine is too busy to start Ray")
    assert finished.exit_code == 2
    assert "this cluster asks for no token" in finished.stderr
    assert server.arrived == 0 and not collection.session.exists()


@needs_ray
@pytest.mark.slow
async def test_hosts_end_with_an_interrupted_run_and_leave_no_key_on_the_disk(
    tmp_path: Path, ray_folder: Path
) -> None:
    async with WatchedServer() as server:
        collection = collection_of(server, tmp_path)
        ray = ("--ray", "local")
        program = await collection.start(*ray, RAY_TMPDIR=str(ray_folder))
        await server.has_given_or_ended(10, program)
        if not server.arrived and TOO_BUSY in (await program.finished()).stderr:
            pytest.skip("this machine is too busy to start Ray")
        server.open.clear()
        await server.holds(AT_ONCE * len(MODELS))
        assert read_object(collection.session / "progress.json")["in_flight"] == server.held
        program.send(SIGINT)
        await program.says("Interrupted: waiting up to 30 s for calls in flight")
        arrived = server.arrived
        server.open.set()
        finished = await program.finished()
        assert finished.exit_code == 130, finished.output
        assert server.arrived == server.given_in_all == arrived
        assert len(check_agreement(collection.session)) == arrived
        resumed = await (await collection.resume(*ray, RAY_TMPDIR=str(ray_folder))).finished()
    assert resumed.exit_code == 0, resumed.output
    assert possibly_billed(resumed) == 0
    assert len(check_agreement(collection.session)) == PROBLEMS * len(MODELS)
    assert set(server.given.values()) == {1}
    keys = [value for name, value in collection.environment.items() if name.endswith("_API_KEY")]
    files = [path for path in ray_folder.rglob("*") if path.is_file()]
    assert len(keys) == len(MODELS) and any(path.parent.name == "logs" for path in files)
    told = [path for path in files for key in keys if key.encode() in path.read_bytes()]
    assert told == []


@needs_ray
@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("fault", ["kill-host", "kill-node", "freeze-node", "kill-driver"])
async def test_a_fault_loses_and_doubles_no_answer(ray_folder: Path, fault: str) -> None:
    with RayNodes({**WITH_TOKEN, "RAY_TMPDIR": str(ray_folder)}) as nodes:
        row = await Bench(nodes, ray_folder, problems=100, chance=Random(1)).run(fault)
    assert row.holds, row
