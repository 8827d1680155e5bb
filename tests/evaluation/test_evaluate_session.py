"""The command, as its users run it: verdicts on disk, a table, resumed, refused."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from storage.files.jsonl_file import damaged_path
from storage.session.session_lock import SessionLock
from storage.sessions import open_session, repair_session
from tests.evaluation.host import zygotes
from tests.evaluation.layers import best_layer, need
from tests.evaluation.sessions import (
    POWERS,
    ROOT,
    command,
    evaluate,
    records,
    right,
    session,
    write_problems,
)
from tests.support.terminal import Terminal

NAMESPACES = "mount,unshare,clone"  # what Docker's default profile refuses
LANDLOCK = "444"


@pytest.fixture(autouse=True)
def _sandbox() -> None:
    best_layer()


def mixed(output: Path) -> Path:
    """Return a session in which good is right, half is right for odd powers."""
    answers = [("good", f"power_{n}", right(n)) for n in range(1, POWERS + 1)]
    for n in range(1, POWERS + 1):
        code = right(n) if n % 2 else "def f(x): return abs(x)\n"
        answers.append(("half", f"power_{n}", code))
    return session(output, answers).path


def test_every_answer_has_a_verdict_and_the_table_an_interval(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    done = evaluate("s", "--output-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Isolation: " in done.stdout
    assert "Self-test: 5 of 5 problems are good" in done.stdout
    assert re.search(r"good +5 of 5 +100\.0 % +57 to 100 %", done.stdout)
    assert re.search(r"half +3 of 5 +60\.0 % +23 to 88 %", done.stdout)
    found = {(record.model, record.task_id): record for record in records(folder)}
    assert len(found) == 2 * POWERS
    wrong = found["half", "power_2"]
    assert (wrong.verdict, wrong.reason, wrong.sample) == ("failed", "wrong_answer", 1)
    assert wrong.failed_test is not None
    assert (wrong.failed_test.came, wrong.failed_test.expected) == ("2", "4")
    summary = json.loads((folder / "evaluation" / "summary.json").read_text())
    assert summary["models"]["half"]["passed"] == 3
    assert summary["models"]["half"]["categories"]["odd"]["passed"] == 3
    low, high = summary["models"]["half"]["pass_at_1"]["interval"]
    assert 0.2 < low < 0.6 < high < 0.95
    assert summary["pairs"][0]["first_only"] == 2
    whole = json.loads((folder / "summary.json").read_text())
    assert whole["evaluation"] == summary
    compared = json.loads((folder / "cross_model_comparison.json").read_text())["problems"]
    passed = {row["task_id"]: (row["good_passed"], row["half_passed"]) for row in compared}
    assert passed["power_1"] == (True, True)
    assert passed["power_2"] == (True, False)
    manifest = json.loads((folder / "evaluation" / "manifest.json").read_text())
    assert manifest["isolation"] in ("cage+landlock", "cage", "landlock")


@pytest.mark.slow
def test_what_is_judged_is_not_judged_again_until_something_changes(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    place = ("s", "--output-dir", str(tmp_path))
    evaluate(*place)
    again = evaluate(*place)
    assert "Judged: 0, 10 known already" in again.stdout
    other_policy = evaluate(*place, "--no-decoys", "--models", "good")
    assert "Judged: 5" in other_policy.stdout
    path = tmp_path / "problems" / "powers.jsonl"
    path.write_text(path.read_text().replace("func(3) == 81", "func(5) == 625"))
    other_tests = evaluate(*place, "--models", "half")
    assert "Judged: 1, 4 known already" in other_tests.stdout
    assert len(records(folder)) == 16


@pytest.mark.slow
def test_equal_code_is_run_once(tmp_path: Path) -> None:
    answers = [(f"model-{m}", f"power_{n}", right(n)) for m in range(6) for n in (1, 2)]
    folder = session(tmp_path, answers).path
    done = evaluate("s", "--output-dir", str(tmp_path), "--workers", "1")
    assert "Judged: 12, 10 alike" in done.stdout
    assert {record.verdict for record in records(folder)} == {"passed"}


@pytest.mark.slow
def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    answers = [
        (f"model-{m}", f"power_{n}", right(n) + f"# {m}\n") for m in range(24) for n in range(1, 6)
    ]
    folder = session(tmp_path, answers).path
    line = command("s", "--output-dir", str(tmp_path), "--workers", "2")
    for least in (10, 40):
        with subprocess.Popen(line, stdout=subprocess.DEVNULL) as run:
            deadline = time.monotonic() + 120
            while len(records_of_whole_lines(folder)) < least and time.monotonic() < deadline:
                time.sleep(0.02)  # waits for the other process, whatever it takes
            run.send_signal(signal.SIGKILL)
    torn = next((folder / "evaluation").glob("*/*.jsonl"))
    with torn.open("ab") as file:
        file.write(b'{"verdict": "passed", "task_id": "pow')
    before = len(records_of_whole_lines(folder))
    done = evaluate("s", "--output-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "a half line at the end was cut off" in done.stdout
    assert damaged_path(torn).read_bytes().startswith(b'{"verdict": "passed"')
    deadline = time.monotonic() + 120
    left = zygotes()
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left &= zygotes()  # others come and go where other tests run
    assert not left
    counts = Counter((record.model, record.task_id) for record in records(folder))
    assert set(counts.values()) == {1}
    assert len(counts) == len(answers)
    assert before >= 40


def records_of_whole_lines(folder: Path) -> list[bytes]:
    files = (folder / "evaluation").glob("*/*.jsonl")
    return [line for file in files for line in file.read_bytes().split(b"\n")[:-1]]


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_the_rest_is_done_later(tmp_path: Path) -> None:
    endless = "def f(x):\n    while True: pass\n"
    answers = [("slow", f"power_{n}", endless + f"# {n}") for n in range(1, 4)]
    folder = session(tmp_path, [*answers, ("quick", "power_1", right(1))]).path
    line = command("s", "--output-dir", str(tmp_path), "--workers", "1")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for said in run.stdout:
            if said.startswith("Self-test"):
                break
        run.send_signal(signal.SIGINT)
        run.communicate()
    assert run.returncode == 130
    done = evaluate("s", "--output-dir", str(tmp_path), "--cpu-limit", "1")
    assert done.returncode == 0
    reasons = Counter(record.reason for record in records(folder) if "cpu=1" in record.policy)
    assert reasons == {"timeout": 3, "": 1}


@pytest.mark.slow
def test_the_sessions_own_files_stay_its_own(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    evaluate("s", "--output-dir", str(tmp_path))
    store = open_session(tmp_path, "s")
    assert repair_session(store) == []
    assert store.answered_counts() == {"good": POWERS, "half": POWERS}
    assert (folder / "evaluation" / "summary.json").exists()


@pytest.mark.slow
def test_one_evaluation_at_a_time(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    (folder / "evaluation").mkdir()
    with SessionLock(folder / "evaluation"):
        second = evaluate("s", "--output-dir", str(tmp_path))
    assert second.returncode == 1
    assert "is in use by process" in second.stderr


@pytest.mark.slow
def test_other_problems_than_the_sessions_are_refused_by_name(tmp_path: Path) -> None:
    mixed(tmp_path)
    path = tmp_path / "problems" / "powers.jsonl"
    path.write_text(path.read_text().replace("the power 2 of x", "the power two of x"))
    done = evaluate("s", "--output-dir", str(tmp_path))
    assert done.returncode == 2
    assert "power_2 changed" in done.stderr
    write_problems(tmp_path / "right", POWERS)
    named = evaluate("s", "--output-dir", str(tmp_path), "--dataset-path", str(tmp_path / "right"))
    assert named.returncode == 0
    fewer = tmp_path / "fewer"
    write_problems(fewer, 3)
    gone = evaluate("s", "--output-dir", str(tmp_path), "--dataset-path", str(fewer))
    assert gone.returncode == 2
    assert "power_4 is gone, power_5 is gone" in gone.stderr


@pytest.mark.slow
def test_unknown_models_and_categories_are_refused_by_name(tmp_path: Path) -> None:
    mixed(tmp_path)
    place = ("s", "--output-dir", str(tmp_path))
    assert "there are good, half" in evaluate(*place, "--models", "other").stderr
    assert "unknown category 'evne'" in evaluate(*place, "--categories", "evne").stderr
    only = evaluate(*place, "--models", "Good", "--categories", "odd")
    assert "Judged: 3" in only.stdout


@pytest.mark.slow
def test_a_bad_problem_is_listed_and_judges_nobody(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    path = tmp_path / "problems" / "powers.jsonl"
    path.write_text(path.read_text().replace("return x ** 3", "return x ** 30"))
    done = evaluate("s", "--output-dir", str(tmp_path))
    assert done.returncode == 1
    assert "power_3: the reference solution does not pass: test 1: got" in done.stdout
    verdicts = {(record.model, record.task_id): record.verdict for record in records(folder)}
    assert verdicts["good", "power_3"] == verdicts["half", "power_3"] == "not_run"
    assert "4 of 4" in done.stdout


@pytest.mark.slow
def test_without_any_sandbox_nothing_runs(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    calls = f"{NAMESPACES},{LANDLOCK}"
    done = evaluate("s", "--output-dir", str(tmp_path), without=calls)
    assert done.returncode == 2
    for said in ("cage+landlock: ", "cage: ", "landlock: this kernel has no Landlock", "Cure: "):
        assert said in done.stderr
    assert not records(folder)
    unsafe = evaluate("s", "--output-dir", str(tmp_path), "--unsafe-no-sandbox", without=calls)
    assert unsafe.returncode == 0, unsafe.stderr
    assert "NO SANDBOX" in unsafe.stdout
    assert {record.isolation for record in records(folder)} == {"none"}
    assert {record.policy for record in records(folder)} == {"1 unsafe"}


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "code"), [("yes\n", 0), ("y\n", 2), ("\x04", 2)])
async def test_without_a_sandbox_a_terminal_is_asked_first(
    tmp_path: Path, typed: str, code: int
) -> None:
    folder = mixed(tmp_path)
    terminal = Terminal(80, 40)
    asking = command("s", "--output-dir", str(tmp_path), "--unsafe-no-sandbox")
    running = asyncio.create_task(terminal.run(asking, os.environ, ROOT))
    await terminal.shows("Type yes to continue:")
    assert not records(folder)
    terminal.type(typed)
    assert await running == code, terminal.text
    assert bool(records(folder)) == (code == 0)
    assert "Traceback" not in terminal.text
    if code == 0:
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert "UNSAFE: 10 of them ran without a sandbox" in page and '"is_unsafe":true' in page


@pytest.mark.slow
def test_in_a_container_without_namespaces_landlock_is_enough(tmp_path: Path) -> None:
    need("landlock")
    folder = mixed(tmp_path)
    done = evaluate("s", "--output-dir", str(tmp_path), without=NAMESPACES)
    assert done.returncode == 0, done.stderr
    assert "Isolation: landlock" in done.stdout
    assert {record.isolation for record in records(folder)} == {"landlock"}


@pytest.mark.slow
def test_on_a_kernel_without_landlock_the_cage_is_enough(tmp_path: Path) -> None:
    need("cage")
    mixed(tmp_path)
    done = evaluate("s", "--output-dir", str(tmp_path), without=LANDLOCK)
    assert "Isolation: cage (" in done.stdout


@pytest.mark.slow
def test_what_solutions_print_cannot_move_the_cursor(tmp_path: Path) -> None:
    code = "def f(x): raise ValueError('\\x1b[2J\\x1b]0;pwned\\x07')\n"
    folder = session(tmp_path, [("loud", "power_1", code)]).path
    done = evaluate("s", "--output-dir", str(tmp_path))
    assert "\x1b" not in done.stdout + done.stderr
    (record,) = records(folder)
    assert record.failed_test is not None
    assert "\x1b[2J" in record.failed_test.text


@pytest.mark.slow
def test_several_sessions_are_compared(tmp_path: Path) -> None:
    first = [("m", f"power_{n}", right(n)) for n in range(1, 6)]
    second = [("m", f"power_{n}", right(1)) for n in range(1, 6)]
    session(tmp_path, first, session_id="one")
    session(tmp_path, second, session_id="two")
    done = evaluate("one", "two", "--output-dir", str(tmp_path))
    assert "All sessions:" in done.stdout
    assert "one/m" in done.stdout
    assert "1 of 1 pairs of models do not differ significantly" in done.stdout


@pytest.mark.slow
def test_links_in_a_session_are_not_followed(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "evaluation").symlink_to(elsewhere)
    done = evaluate("s", "--output-dir", str(tmp_path))
    assert done.returncode == 1
    assert "is a link" in done.stderr
    assert list(elsewhere.iterdir()) == []
