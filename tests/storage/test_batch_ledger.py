"""batches.jsonl and the files beside it, as crashes and strangers leave them."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.errors import ConnectionLost, StoreError
from storage.files.regular_file import NotRegular
from storage.records import batch_steps as steps
from storage.records.batch_files import BatchFiles, new_token
from storage.records.batch_ledger import LEDGER_NAME, BatchLedger

TOKEN = "abcd2345"


def planned(token: str = TOKEN) -> steps.Planned:
    return steps.Planned(
        token=token,
        at=1e9,
        model="gpt-4o",
        provider="openai",
        base_url="https://api.openai.com/v1",
        key_digest="0123abcd",
        tasks=[("sums_1", 1, "00"), ("sums_2", 3, "01")],
        size=100,
        sha256="00",
        worst_usd=0.5,
    )


def written(folder: Path) -> BatchLedger:
    ledger = BatchLedger(folder)
    ledger.append(planned())
    ledger.append(steps.Uploaded(token=TOKEN, at=1e9, prepared="file-1"))
    ledger.append(steps.Creating(token=TOKEN, at=1e9))
    return ledger


def test_a_ledger_says_after_a_restart_what_it_said_before(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    (before,) = ledger
    (again,) = BatchLedger(tmp_path)
    assert again == before and again.step == "creating" and again.may_be_billed
    ledger.append(steps.Found(token=TOKEN, at=2e9, batch_id="batch_1", is_proven=False))
    ledger.append(steps.NotOurs(token=TOKEN, at=2e9, batch_id="batch_1"))
    (again,) = BatchLedger(tmp_path)
    assert again.step == "creating" and again.not_ours == {"batch_1"} and again.batch_id is None
    ledger.append(steps.Found(token=TOKEN, at=2e9, batch_id="batch_2"))
    ledger.append(steps.Ended(token=TOKEN, at=2e9, state="completed", ended_at=2e9))
    ledger.append(steps.Landed(token=TOKEN, at=2e9, answered=1, failed=0, again=[2], cost_usd=0.1))
    again_ledger = BatchLedger(tmp_path)
    assert again_ledger.unsettled() == []
    assert again_ledger.rounds("gpt-4o") == {("sums_2", 3): 1}


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_line_that_a_crash_cut_is_no_step_and_spoils_no_later_one(
    tmp_path: Path, cut: int
) -> None:
    written(tmp_path)
    path = tmp_path / LEDGER_NAME
    path.write_bytes(path.read_bytes()[:-cut])
    ledger = BatchLedger(tmp_path)
    (batch,) = ledger
    # Where only the line's end is missing, the step was taken all the same.
    assert batch.step == ("creating" if cut == 1 else "uploaded")
    ledger.append(steps.Creating(token=TOKEN, at=2e9))
    ledger.append(steps.Created(token=TOKEN, at=2e9, batch_id="batch_1"))
    (again,) = BatchLedger(tmp_path)
    assert again.step == "open" and again.creating_at == 2e9


@pytest.mark.parametrize(
    "line",
    [
        b"{broken",
        b"[]",
        b'{"step": "landing", "token": "abcd2345", "at": 1}',
        b'{"step": "created", "token": "abcd2345", "at": 1e300, "batch_id": "b"}',
        b'{"step": "created", "token": "abcd2345", "at": 1, "batch_id": "../b c"}',
        b'{"step": "created", "token": "../../ab", "at": 1, "batch_id": "b"}',
        b'{"step": "created", "token": "abcd9999", "at": 1, "batch_id": "b"}',
        b'{"step": "landed", "token": "abcd2345", "at": 1, "answered": -1, "failed": 0, '
        b'"cost_usd": 1}',
        b'{"step": "landed", "token": "abcd2345", "at": 1, "answered": 1, "failed": 0, '
        b'"again": [1000000000], "cost_usd": 1}',
        b"[" * 100_000,
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, line: bytes) -> None:
    written(tmp_path)
    path = tmp_path / LEDGER_NAME
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(StoreError, match="line 4 cannot be read") as refused:
        BatchLedger(tmp_path)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


@pytest.mark.parametrize("place", [LEDGER_NAME, "batches/abcd2345.results.ndjson"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
async def test_no_link_and_no_pipe_is_opened(tmp_path: Path, place: str, kind: str) -> None:
    outside, path = tmp_path / "outside", tmp_path / "s" / place
    outside.write_bytes(b"secret\n")
    path.parent.mkdir(parents=True)
    path.symlink_to(outside) if kind == "link" else os.mkfifo(path)
    with pytest.raises(NotRegular):
        if place == LEDGER_NAME:
            BatchLedger(tmp_path / "s")
        else:
            list(BatchFiles(tmp_path / "s").results(TOKEN, 1000))
    assert outside.read_bytes() == b"secret\n"


async def test_a_folder_that_is_a_link_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    session = tmp_path / "s"
    session.mkdir()
    (session / "batches").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotRegular):
        BatchFiles(session).write_lines(TOKEN, [b"{}\n"])
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_results_are_there_whole_or_not_at_all(tmp_path: Path) -> None:
    files = BatchFiles(tmp_path)

    async def broken() -> AsyncIterator[bytes]:
        yield b"{}\n"
        raise ConnectionLost("it broke off")

    async def whole() -> AsyncIterator[bytes]:
        yield b"a\n" + b"b" * 3_000_000
        yield b"\nc\n"

    with pytest.raises(ConnectionLost):
        await files.keep_results(TOKEN, broken(), 10**9)
    assert not files.has_results(TOKEN) and list((tmp_path / "batches").iterdir()) == []
    assert await files.keep_results(TOKEN, whole(), 10**9)
    assert [line[:3] for line in files.results(TOKEN, 1000)] == [b"a\n", b"bbb", b"c\n"]


def test_tokens_are_what_every_provider_takes() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch("[a-z0-9]{8}", token) for token in tokens)
