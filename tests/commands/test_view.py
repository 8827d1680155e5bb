"""scripts/view.py: what the local page answers, to whom, and what it never does."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from typing import Any

import pytest

from storage.session.session_lock import SessionLock
from tests.support.command import run
from tests.support.program import Program
from tests.support.report_page import ReportPage, source_of
from tests.support.sessions import write_judgements, write_session
from tests.support.view_page import Answered, asked, view

EVENTS = 12
SECRET = "the secret that no page has"
OWN = ("127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}")
FOREIGN = (
    *("evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.evil"),
    *("[::1]:{port}", "127.0.0.1.evil.example:{port}", "0.0.0.0:{port}", "127.1:{port}", ""),
)
TARGETS = (
    *("/report/../secret.txt", "/../secret.txt", "/report/..%2fsecret.txt", "/%2e%2e/secret.txt"),
    *("/report/%2e%2e%2fsecret.txt", "/report/..%252fsecret.txt", "/report/..", "/report/."),
    *("//secret.txt", "/report//etc/passwd", "/report/%2fetc%2fpasswd", "/etc/passwd"),
    *("/report/session_1/../../secret.txt", "/report/session_1/report.html", "/session_1"),
    *("/report/session_1/", "/report/session%5f1", "/./", "/report/session_1%00", "/%00"),
    *("/report/linked", "/report/inside", "/report/..\\secret.txt", "/report/..%5csecret.txt"),
    *("/events/../report/linked", "/report/", "/report", "/index.html", "/?/../secret.txt#/../"),
    *("/report/" + "a" * 7000, "/report/%ff%fe", "/report/%F0%9F%92%A9", "/report/session_1;x"),
)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A folder with one evaluated session, and traps around it."""
    store = write_session(tmp_path, models=2, categories=1, per_category=3)
    write_judgements(store)
    folder = store.path.parent
    (tmp_path / "secret.txt").write_text(SECRET)
    outside = tmp_path / "outside"
    shutil.copytree(store.path, outside)
    for path in outside.rglob("*.jsonl"):
        path.write_text(path.read_text().replace("Here is", SECRET))
    (folder / "linked").symlink_to(outside)
    shutil.copytree(store.path, folder / "inside")
    (folder / "inside" / "model-0").rename(tmp_path / "moved")
    (folder / "inside" / "model-0").symlink_to(tmp_path / "moved")
    (folder / "session_1" / "report.html").unlink(missing_ok=True)
    (folder / "session_1" / "report.html").symlink_to(tmp_path / "secret.txt")
    return folder


def board_of(page: Answered, folder: Path) -> dict[str, Any]:
    """Return what the board's page holds, by session."""
    path = folder / "page.html"
    path.write_bytes(page.body)
    loaded = json.loads(ReportPage(path).data["board"])
    return {entry["session"]: entry for entry in loaded["sessions"]}


async def board_where(
    address: str, folder: Path, is_so: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Return the board once it is so: a page may be half a second old."""
    async with asyncio.timeout(60):
        while not is_so(board := board_of(await asked(address, "/"), folder)):
            await asyncio.sleep(0.1)
    return board


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Fail where anything in a folder was written, added or taken away."""
    before = snapshot(folder)
    yield
    assert snapshot(folder) == before


def snapshot(folder: Path) -> dict[Path, tuple[int, int, int]]:
    found = {path: path.lstat() for path in [folder, *folder.rglob("*")]}
    return {path: (kind.st_mode, kind.st_size, kind.st_mtime_ns) for path, kind in found.items()}


async def test_every_page_has_its_policy_and_the_folder_is_only_read(
    output: Path, tmp_path: Path
) -> None:
    with unchanged(output):
        async with view(output) as address:
            board = await asked(address, "/")
            report = await asked(address, "/report/session_1")
            lost = await asked(address, "/nowhere")
            head = await asked(address, "/", method="HEAD")
    assert (board.status, report.status, lost.status, head.status) == (200, 200, 404, 200)
    assert head.body == b"" and board_of(board, tmp_path)["session_1"]["status"] == "completed"
    for page in (board, report):
        path = tmp_path / "page.html"
        path.write_bytes(page.body)
        policy = page.headers["content-security-policy"]
        scripts = re.findall(r"script-src ([^;]*)", policy)
        assert scripts == [" ".join(map(source_of, ReportPage(path).scripts))]
        assert "unsafe" not in policy and "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
    for page in (board, report, lost):
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cross-origin-resource-policy"] == "same-origin"
    assert "default-src 'none'" in lost.headers["content-security-policy"]
    assert SECRET.encode() not in board.body + report.body


async def test_nothing_that_leaves_the_folder_is_served(output: Path) -> None:
    async with view(output) as address:
        for target in (*TARGETS, f"{address}report/session_1", "http://evil.example/", "*", "x"):
            page = await asked(address, target)
            is_board = target.startswith("/?")
            assert page.status in ((200,) if is_board else (400, 404, 421)), (target, page.status)
            assert SECRET.encode() not in page.body and b"root:" not in page.body
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "BREW"):
            assert (await asked(address, "/", method=method)).status in (400, 405)


async def test_only_requests_of_its_own_are_answered(output: Path) -> None:
    async with view(output) as address:
        port = address.rsplit(":", 1)[1].strip("/")
        for host in OWN:
            assert (await asked(address, "/", host=host.format(port=port))).status == 200
        for host in FOREIGN:
            for target in ("/", "/events", "/report/session_1"):
                page = await asked(address, target, host=host.format(port=port))
                assert page.status in (400, 421), (host, target, page.status)
        assert (await asked(address, "/", host=None)).status in (400, 421)
        twice = f"127.0.0.1:{port}\r\nHost: evil.example"
        assert (await asked(address, "/", host=twice)).status in (400, 421)
        own = f"Origin: http://127.0.0.1:{port}"
        assert (await asked(address, "/", own)).status == 200
        for origin in (
            "http://evil.example",
            "null",
            f"https://127.0.0.1:{port}",
            "http://127.0.0.1",
        ):
            for target in ("/", "/events"):
                assert (await asked(address, target, f"Origin: {origin}")).status == 403, origin
        elsewhere = "Sec-Fetch-Site: cross-site"
        for target in ("/", "/events", "/report/session_1"):
            page = await asked(address, target, elsewhere, "Sec-Fetch-Mode: no-cors")
            assert page.status == 403
        link = (elsewhere, "Sec-Fetch-Mode: navigate")
        assert (await asked(address, "/", *link, "Sec-Fetch-Dest: document")).status == 200
        assert (await asked(address, "/", *link, "Sec-Fetch-Dest: iframe")).status == 403


@pytest.mark.slow
async def test_a_folder_that_changes_under_it_breaks_nothing(output: Path, tmp_path: Path) -> None:
    for name in ("fifo", "torn", "absurd", "gone", "fifo_answers", "loop", "deep"):
        shutil.copytree(output / "inside", output / name, symlinks=True)
        (output / name / "model-0").unlink()
    async with view(output) as address:
        first = board_of(await asked(address, "/"), tmp_path)
        assert first["linked"]["status"] == first["inside"]["status"] == "broken"
        assert str(tmp_path) not in first["linked"]["trouble"]
        for name in ("summary.json", "manifest.json", "session.lock", "progress.json"):
            (output / "fifo" / name).unlink(missing_ok=True)
            os.mkfifo(output / "fifo" / name)
        with next((output / "torn").glob("model-1/*.jsonl")).open("ab") as file:
            file.write(b'{"task_id": "half')
        summary = output / "absurd" / "summary.json"
        summary.write_text(
            summary.read_text().replace('"total_problems": 3', '"total_problems": 1e300')
        )
        (output / "absurd" / "evaluation" / "summary.json").write_text(
            '{"models": {"model-1": {"judged": -1, "passed": 1e400, "pass_at_1": {"rate": 7}}}}'
        )
        os.mkfifo(output / "fifo_answers" / "model-1" / "more.jsonl")
        (output / "loop" / "evaluation").rename(output / "loop" / "was")
        (output / "loop" / "evaluation").symlink_to("evaluation")
        (output / "deep" / "summary.json").write_text("[" * 200_000)
        shutil.rmtree(output / "gone")
        (output / "a\nb\x1b[31m").mkdir()
        (output / os.fsdecode(b"\xff\xfe")).mkdir()
        (output / "a file").write_text("no session")
        then = await board_where(address, tmp_path, lambda board: "a\nb\x1b[31m" in board)
        assert then["session_1"] == first["session_1"] and "gone" not in then
        assert then["fifo"]["status"] == "broken"
        # Whether its answers are looked into again at this moment is a matter of turns.
        assert then["fifo_answers"]["status"] in ("broken", "interrupted")
        assert then["torn"]["models"][1]["answered"] == first["session_1"]["models"][1]["answered"]
        assert then["loop"]["status"] == "broken" and then["deep"]["status"] == "interrupted"
        assert then["a\nb\x1b[31m"]["status"] == "broken" and "a file" not in then
        assert (await asked(address, "/report/fifo")).status == 404
        shutil.rmtree(output)
        await board_where(address, tmp_path, lambda board: board == {})


@pytest.mark.slow
async def test_a_session_that_runs_is_followed_by_events(output: Path) -> None:
    async with view(output) as address:
        reader, writer = await listening(address)
        first = await next_event(reader)
        statuses = {entry["session"]: entry["status"] for entry in first["sessions"]}
        assert statuses["session_1"] == "completed" and first["listed"]
        with SessionLock(output / "session_1"):
            event = await next_event(reader)
            (entry,) = event["sessions"]
            assert (entry["session"], entry["status"]) == ("session_1", "running")
            assert event["listed"] is None and len(entry["live"]["answers"]) > 0
            shown = entry["live"]["answers"][0]
            assert shown["finished"] == max(one["finished"] for one in entry["live"]["answers"])
        (entry,) = (await next_event(reader))["sessions"]
        assert (entry["status"], entry["live"]) == ("completed", None)
        writer.close()


@pytest.mark.slow
async def test_ctrl_c_ends_it_while_a_session_takes_minutes_to_read(output: Path) -> None:
    with (output / "session_1" / "failures.jsonl").open("wb") as file:
        file.truncate(10**12)  # a hole, which takes no room on the disk
    async with view(output), asyncio.timeout(60):
        while "failures.jsonl" not in opened_by(process_over(output)):
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_pages_that_take_nothing_cost_little(tmp_path: Path) -> None:
    """64 pages listen and read nothing, while each second brings an event of 150 kB."""
    labels = [f"{number}-{'long' * 45}" for number in range(200)]
    store = write_session(tmp_path, models=200, categories=1, per_category=1, labels=labels)
    lines = next(store.path.glob("7-*/*.jsonl"))
    record = json.loads(lines.read_text().splitlines()[0])
    async with view(store.path.parent) as address, asyncio.timeout(240):
        pid = process_over(store.path.parent)
        before = resident_megabytes(pid)
        deaf = [deaf_listener(address) for _ in range(64)]
        late = await asked(address, "/events")
        assert late.status == 503
        with SessionLock(store.path):
            reader, writer = await listening_after(address, deaf.pop())
            for number in range(EVENTS):
                with lines.open("a") as file:
                    record["task_id"] = f"new_{number}"
                    file.write(json.dumps(record) + "\n")
                while len(await reader.readline()) < 100_000:
                    pass
            writer.close()
        grown = resident_megabytes(pid) - before
        print(f"{len(deaf)} listeners that read nothing, {EVENTS} events: {grown:.0f} MB more")
        assert grown < 40 and (await asked(address, "/")).status == 200
        for each in deaf:
            each.close()


def process_over(output: Path) -> int:
    """Return the id of the process that serves a folder."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            said = path.read_bytes()
            if b"view.py" in said and str(output).encode() in said:
                return int(path.parent.name)
    raise AssertionError("no process serves it")


def opened_by(pid: int) -> set[str]:
    """Return the names of the files that a process has open."""
    names = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            names.add(path.readlink().name)
    return names


def deaf_listener(address: str) -> socket.socket:
    """Return a connection that asks for events and takes none: its buffer is as small as can be."""
    port = int(address.rsplit(":", 1)[1].strip("/"))
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    made.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return made


async def listening_after(
    address: str, left: socket.socket
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a listener that takes the place of one that goes away."""
    left.close()
    while True:
        try:
            return await listening(address)
        except AssertionError:  # its place is not free yet
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_wrong_lines_are_said_in_one(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    async with server:
        port = str(server.sockets[0].getsockname()[1])
        taken = await run("view.py", "--port", port, "--output-dir", str(tmp_path))
    assert taken.exit_code == 2 and taken.stderr.startswith(f"error: --port {port}: ")
    assert taken.stderr.count("\n") == 1
    for word in ("-1", "65536"):
        wrong = await run("view.py", f"--port={word}")
        assert wrong.exit_code == 2 and "is not a port" in wrong.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
async def test_the_browser_is_opened_where_there_is_a_screen(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > "{opened}.new" && mv "{opened}.new" "{opened}"\n')
    script.chmod(0o700)
    arguments = ("view.py", "--output-dir", str(tmp_path), "--port", "0")
    program = await Program.start(
        *arguments, environment={"DISPLAY": ":9", "BROWSER": f"{script} %s"}
    )
    async with asyncio.timeout(60):
        while not opened.exists():
            await asyncio.sleep(0.02)
    program.send(SIGINT)
    finished = await program.finished()
    assert finished.exit_code == 0
    assert opened.read_text().startswith("http://127.0.0.1:")
    assert opened.read_text().strip() in finished.stdout


async def listening(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = int(address.rsplit(":", 1)[1].strip("/"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    writer.write(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert b"200" in await reader.readline()
    return reader, writer


async def next_event(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Return the next message of an event stream."""
    async with asyncio.timeout(60):
        while not (line := await reader.readline()).startswith(b"data: "):
            assert line
    loaded = json.loads(line.removeprefix(b"data: "))
    assert isinstance(loaded, dict)
    return loaded


def resident_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
