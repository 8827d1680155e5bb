"""--ray: the same bytes as without, also where nodes are lost; nothing of it without the flag."""

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.reextraction import write_replies
from tests.evaluation.layers import best_layer
from tests.evaluation.sessions import POWERS, right
from tests.evaluation.sessions import records as judged_records
from tests.evaluation.sessions import session as judged_session
from tests.support.command import Finished, run
from tests.support.program import Program
from tests.support.ray_nodes import SETTINGS, TOO_BUSY, RayNodes

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
KEY = "a-key-that-no-file-of-a-cluster-holds"
SEVERAL_SECONDS_OF_WORK = 5000


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Return where Ray keeps its logs: its sockets' paths have to be short."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def records(session: Path) -> str:
    """Return a digest of the new records of a session."""
    whole = hashlib.sha256()
    for path in sorted(session.glob("reprocessed/*/*/*.jsonl")):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


async def has_begun(session: Path, finished: asyncio.Task[Finished]) -> None:
    """Return once the first new records are written, and the command has not ended."""
    while not any(path.stat().st_size for path in session.glob("reprocessed/.*/*/*.jsonl")):
        assert not finished.done(), finished.result().output
        await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("reprocess_session.py", "{session}", "--workers", "1"),
        ("evaluate_session.py", "{session}"),
        ("export_session.py", "{session}", "--format", "jsonl"),
        ("report.py", "{session}"),
        ("resume_collection.py", "{session}", "--status"),
        ("run_collection.py", "--dry-run", "--models", "local:x"),
    ],
    ids=lambda command: command[0],
)
async def test_without_the_flag_nothing_of_ray_is_there(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    best_layer()
    session = judged_session(tmp_path, [("local:x", f"power_{n}", right(n)) for n in (1, 2, 3)])
    script, *arguments = (part.format(session=session.path) for part in command)
    program = await Program.start(
        *(script, *arguments),
        environment={"RAY_ADDRESS": "127.0.0.1:1", "LOCAL_BASE_URL": "http://127.0.0.1:1"},
        wrapper=SAYING_ITS_MODULES,
    )
    finished = await program.finished()
    assert finished.exit_code == 0, finished.output
    assert finished.stderr.endswith("ray: False\n"), finished.output


async def test_without_ray_installed_one_line_says_what_to_install(tmp_path: Path) -> None:
    session = write_replies(tmp_path, 20).path
    arguments = ("reprocess_session.py", str(session), "--ray", "local")
    program = await Program.start(*arguments, environment={}, wrapper=WITHOUT_RAY)
    finished = await program.finished()
    assert finished.exit_code == 2
    assert finished.stderr == (
        "error: --ray needs ray: python -m pip install -r requirements-ray.txt\n"
    )


@pytest.mark.slow
@needs_ray
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "no cluster is there"),
        ("nowhere", "neither host:port nor auto or local"),
        ("auto", "no cluster is there"),
    ],
)
async def test_where_there_is_no_cluster_one_line_says_so(
    tmp_path: Path, ray_folder: Path, address: str, said: str
) -> None:
    session = write_replies(tmp_path, 20).path
    environment = {"RAY_TMPDIR": str(ray_folder), "RAY_ADDRESS": "127.0.0.1:1"}
    arguments = ("reprocess_session.py", str(session), "--ray", address)
    finished = await run(*arguments, environment=environment)
    assert finished.exit_code == 2
    assert finished.stderr.startswith(f"error: --ray {address}: {said}")
    assert finished.stderr.count("\n") == 1 and finished.stdout == ""


@needs_ray
@pytest.mark.slow
async def test_a_cluster_started_for_the_command_writes_the_same_and_sees_no_key(
    tmp_path: Path, ray_folder: Path
) -> None:
    session = write_replies(tmp_path, 400).path
    alone = await run("reprocess_session.py", str(session))
    expected = records(session)
    environment = {"RAY_TMPDIR": str(ray_folder), "XAI_API_KEY": KEY}
    finished = await run(
        "reprocess_session.py", str(session), "--ray", "local", environment=environment
    )
    if TOO_BUSY in finished.stderr:
        pytest.skip("this machine is too busy to start Ray")
    assert finished == alone
    assert records(session) == expected
    files = [path for path in ray_folder.rglob("*") if path.is_file()]
    assert any(path.parent.name == "logs" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


@needs_ray
@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("word", ["kill 0", "freeze 0"])
async def test_records_are_the_same_where_a_node_is_killed_or_frozen(
    tmp_path: Path, ray_folder: Path, word: str
) -> None:
    session = write_replies(tmp_path, SEVERAL_SECONDS_OF_WORK).path
    alone = await run("reprocess_session.py", str(session))
    expected = records(session)
    environment = {**SETTINGS, "RAY_TMPDIR": str(ray_folder)}
    with RayNodes(environment) as nodes:
        arguments = ("reprocess_session.py", str(session), "--ray", nodes.address)
        other = await Program.start(*arguments, environment=environment, wrapper=OF_ANOTHER_VERSION)
        refused = await other.finished()
        assert refused.exit_code == 2
        assert "has msgspec " in refused.stderr and ", not 99.9" in refused.stderr
        shutil.rmtree(session / "reprocessed")
        running = asyncio.create_task(run(*arguments, environment=environment))
        await has_begun(session, running)
        nodes.say(word)
        finished = await running
    assert finished.exit_code == 0, finished.output
    assert finished.stdout == alone.stdout
    assert "asks for no token" in finished.stderr
    # None where the rest was done before the cluster itself saw what had become of the node.
    assert finished.stderr.count("was lost") <= 1
    assert records(session) == expected


@needs_ray
@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("word", ["kill 0", "freeze 0"])
async def test_verdicts_are_the_same_where_a_node_is_killed_or_frozen(
    tmp_path: Path, ray_folder: Path, word: str
) -> None:
    best_layer()
    codes = (right(2), "def f(x): return abs(x)\n", "def f(x): return [][x]\n")
    answers = [
        (f"model{n}", f"power_{power}", f"{code}# {n} {power}\n")
        for n, code in enumerate(codes * 5)
        for power in range(1, POWERS + 1)
    ]
    place = judged_session(tmp_path, answers).path
    alone = await run("evaluate_session.py", str(place))
    assert alone.exit_code == 0, alone.output
    expected = verdicts(place)
    environment = {**SETTINGS, "RAY_TMPDIR": str(ray_folder)}
    with RayNodes(environment) as nodes:
        shutil.rmtree(place / "evaluation")
        command = ("evaluate_session.py", str(place), "--ray", nodes.address)
        running = asyncio.create_task(run(*command, environment=environment))
        while not any((place / "evaluation").glob("model*/*.jsonl")):
            assert not running.done(), running.result().output
            await asyncio.sleep(0.01)
        nodes.say(word)
        finished = await running
    assert finished.exit_code == 0, finished.output
    assert verdicts(place) == expected
    assert "processors lost: 1;" in finished.stderr


def verdicts(place: Path) -> dict[tuple[str, str], tuple[str, str, int]]:
    """Return (model, task) -> what was found; each answer has one record."""
    found = judged_records(place)
    told: dict[tuple[str, str], tuple[str, str, int]] = {
        (record.model, record.task_id): (record.verdict, record.reason, record.passed_tests)
        for record in found
    }
    assert len(told) == len(found)
    return told


async def test_a_cluster_judges_only_in_sandboxes_and_without_packages(tmp_path: Path) -> None:
    for flag in ("--unsafe-no-sandbox", "--allow-packages"):
        finished = await run("evaluate_session.py", str(tmp_path), "--ray", "local", flag)
        assert finished.exit_code == 2
        assert finished.stderr.startswith("error: --ray judges in sandboxes only")


SAYING_ITS_MODULES = """
import atexit, runpy, sys
atexit.register(lambda: print("ray:", "ray" in sys.modules, file=sys.stderr))
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
WITHOUT_RAY = """
import runpy, sys
sys.modules["ray"] = None
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
OF_ANOTHER_VERSION = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0] + "/..")
import runners.cluster.node_facts as node_facts
real = node_facts._version
node_facts._version = lambda name: "99.9" if name == "msgspec" else real(name)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
