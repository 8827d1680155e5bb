"""A run of the whole program against hostile replies among ordinary ones, and what was hurt."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.model_configs import MODEL_CONFIGS
from tests.support.command import ROOT, bare_environment
from tests.support.datasets import problem_row
from tests.support.hostile.keys import secret_of, traces_of
from tests.support.hostile.kinds import Hostile, Wire
from tests.support.hostile.socket_server import SocketServer, Task
from tests.support.provider_formats import PREFIXES
from tests.support.session_check import Answers, answers_in, check_agreement

MOST_MIB = 400
_GUARD_MIB = 1600  # a run that grows so far is ended: the machine is to survive a failing test
_LARGEST_ANSWER = 7_900_000  # bytes; a greater reply is asked for again
_STEERING = re.compile("[\0\x07\x1b\x9b\u202a-\u202e\u2066-\u2069]")
_FLAGS = (
    *("--max-concurrent", "4", "--request-timeout", "6", "--task-timeout", "300"),
    *("--extraction", "regex", "--progress", "lines"),
)
# Runs a command and writes the peak memory, in KiB, of the largest process in it.
_MEASURED = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-X", "faulthandler", *sys.argv[2:]])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code if code >= 0 else 128 - code)
"""

Plan = Mapping[Wire, Sequence[Hostile]]


@dataclass(slots=True)
class Outcome:
    """What an attack came to; hurt: what should not have happened, none where all held.

    sent: hostile replies that were sent. tasks: all of the run. seconds, mib: of the first run.
    """

    sent: int = 0
    tasks: int = 0
    seconds: float = 0.0
    mib: float = 0.0
    hurt: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a command ended; exit_code None where it had to be ended."""

    exit_code: int | None
    output: str
    seconds: float
    mib: float


async def attack(
    folder: Path,
    plan: Plan,
    *flags: str,
    ordinary: int = 19,
    within_seconds: float = 60.0,
    wrapper: str = "",
    environment: Mapping[str, str] | None = None,
    then: Sequence[str] = (),
) -> Outcome:
    """Return what became of a run, and of its resume, in which each model gets its replies.

    ordinary: how many ordinary tasks stand before each hostile one. within_seconds: the bound on
    each command. wrapper: Python code that runs the script that its arguments name.
    then: further scripts that read the session.
    """
    rounds = max(len(kinds) for kinds in plan.values())
    dataset = _write_problems(folder / "data", rounds * (ordinary + 1))
    hostile = _placed(plan, ordinary)
    outcome = Outcome(tasks=rounds * (ordinary + 1) * len(plan))
    async with SocketServer(tuple(plan), hostile) as server:
        variables = {**_pointed_at(server), **(environment or {})}
        command = _Command(folder, variables, within_seconds, wrapper)
        first = await command.run(
            "run_collection.py",
            *("--models", *(wire.model for wire in plan), "--dataset-path", str(dataset)),
            *("--session-id", "s", *_FLAGS, "--log-file", str(folder / "run.log"), *flags),
        )
        outcome.sent, outcome.seconds, outcome.mib = len(server.sent), first.seconds, first.mib
        outcome.hurt += _hurt_of(first, "the run", (0, 1))
        session = folder / "out" / "s"
        if first.exit_code is not None and session.is_dir():
            missing = len(hostile.keys() - server.sent.keys())
            outcome.hurt += [f"{missing} hostile replies were not sent"] if missing else []
            outcome.hurt += _lost(session, server, _all_tasks(plan, rounds, ordinary))
        again = await command.run("resume_collection.py", "s")
        outcome.hurt += _hurt_of(again, "the resume", (0,))
        if again.exit_code == 0:
            left = _all_tasks(plan, rounds, ordinary) - answers_in(session).keys()
            if left:
                outcome.hurt.append(f"{len(left)} unanswered after the resume: {sorted(left)[:3]}")
        for script in then:
            read = await command.run(script, "s")
            outcome.hurt += _hurt_of(read, script, (0,))
    outcome.hurt += _key_traces(folder)
    return outcome


class _Command:
    """Runs scripts within a time, and measures them."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], within_seconds: float, wrapper: str
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._within_seconds = within_seconds
        self._wrapper = ("-c", wrapper) if wrapper else ()

    async def run(self, script: str, *arguments: str) -> _Ended:
        """Return how scripts/<script> ended."""
        peak = self._folder / "peak"
        peak.unlink(missing_ok=True)
        started = time.monotonic()
        output = self._folder / f"{script}.output"
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _MEASURED, str(peak), *self._wrapper),
                *(str(ROOT / "scripts" / script), *arguments),
                *("--output-dir", str(self._folder / "out")),
                cwd=ROOT,
                env={**bare_environment(), **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
            reason = await self._ended(process)
        seconds = time.monotonic() - started
        text = output.read_text("utf-8", "replace") + reason
        mib = int(peak.read_text()) / 1024 if peak.exists() else 0.0
        return _Ended(None if reason else process.returncode, text, seconds, mib)

    async def _ended(self, process: asyncio.subprocess.Process) -> str:
        """Return once it has ended; why it had to be ended, "" where it ended by itself."""
        ends = time.monotonic() + self._within_seconds
        waits = asyncio.ensure_future(process.wait())
        reason = ""
        while not reason and not (await asyncio.wait({waits}, timeout=0.2))[0]:
            if time.monotonic() > ends:
                reason = f"\nended after {self._within_seconds:g} s"
            elif _mib_of_group(process.pid) > _GUARD_MIB:
                reason = f"\nended above {_GUARD_MIB} MiB"
        if reason:
            for number in (signal.SIGABRT, signal.SIGKILL):  # the first shows where it stood
                os.killpg(process.pid, number)
                await asyncio.wait({waits}, timeout=2)
        await waits
        return reason


def _hurt_of(ended: _Ended, name: str, fine: tuple[int, ...]) -> Iterator[str]:
    if ended.exit_code is None:
        yield f"{name} did not end by itself: {ended.output[-1500:]}"
    elif ended.exit_code not in fine:
        yield f"{name} ended with exit code {ended.exit_code}: {ended.output[-1500:]}"
    for sign in ("Traceback", "never retrieved", "Unclosed"):
        place = ended.output.find(sign)
        if place >= 0:
            yield f"{name} said {ended.output[max(0, place - 200) : place + 1500]}"
    if ended.mib > MOST_MIB:
        yield f"{name} took {ended.mib:.0f} MiB"
    if steering := _STEERING.search(ended.output):
        near = ended.output[max(0, steering.start() - 100) : steering.end() + 50]
        yield f"{name} steers the terminal: {near!r}"


def _lost(session: Path, server: SocketServer, tasks: set[Task]) -> Iterator[str]:
    """Yield what the run should have kept and did not, or not as it came."""
    try:
        answers = check_agreement(session)
    except AssertionError as error:
        yield f"the session's files disagree: {str(error)[:500]}"
        answers = answers_in(session)
    lost = sorted(tasks - answers.keys() - server.sent.keys())
    if lost:
        yield f"{len(lost)} ordinary tasks are unanswered, such as {lost[:3]}"
    rates = session / "rate_limits.json"
    for rate in re.findall(r'_minute": ([^,\s]+)', rates.read_text() if rates.exists() else ""):
        if not 1 <= float(rate) < 1e12:
            yield f"rate_limits.json keeps {rate} a minute"
    for task, kind in server.sent.items():
        if kind.text and not _kept(answers, task, kind):
            yield f"not kept as it came: {kind.name} ({task[0]})"


def _kept(answers: Answers, task: Task, kind: Hostile) -> bool:
    """Tell whether an answer is the hostile text; its thinking may be kept apart from it."""
    record = answers.get(task)
    if record is None:
        return False
    assert kind.text is not None
    text = kind.text(f"solve_{task[1].rpartition('_')[2]}")
    if len(json.dumps(text)) > _LARGEST_ANSWER:
        return True
    kept = record["raw_response"] + (record["reasoning_text"] or "")
    return len(_without_blanks(kept)) >= len(_without_blanks(text)) - len("<think></think>")


def _without_blanks(text: str) -> str:
    return "".join(text.split())


def _key_traces(folder: Path) -> Iterator[str]:
    """Yield where a key, or the middle of one, stands in what the commands left and said."""
    traces = {name: [trace.encode() for trace in traces_of(name)] for name in PREFIXES}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        for provider, pieces in traces.items():
            place = max(content.find(piece) for piece in pieces)
            if place >= 0:
                near = content[max(0, place - 150) : place + 60]
                yield f"{provider}'s key stands in {path.relative_to(folder)}: {near!r}"


def _write_problems(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    rows = [problem_row(f"hostile_{n:05}", category="hostile") for n in range(count)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "hostile.jsonl").write_text(lines, encoding="utf-8")
    return folder


def _placed(plan: Plan, ordinary: int) -> dict[Task, Hostile]:
    """Return which task gets which reply: ordinary ones come first."""
    return {
        (wire.label, f"hostile_{(place + 1) * (ordinary + 1) - 1:05}"): kind
        for wire, kinds in plan.items()
        for place, kind in enumerate(kinds)
    }


def _all_tasks(plan: Plan, rounds: int, ordinary: int) -> set[Task]:
    count = rounds * (ordinary + 1)
    return {(wire.label, f"hostile_{n:05}") for wire in plan for n in range(count)}


def _pointed_at(server: SocketServer) -> dict[str, str]:
    variables = {"LOCAL_API_KEY": secret_of("local")}
    for config in MODEL_CONFIGS:
        provider = next((name for name in PREFIXES if name == config.provider), None)
        if provider and config.api_key_env:
            variables[config.api_key_env] = secret_of(provider)
            variables[config.base_url_env] = server.url(provider)
    return variables


def _mib_of_group(group: int) -> float:
    """Return the memory of the largest process in a process group, 0 where there is no /proc."""
    largest = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[2]) == group:
            largest = max(largest, int(fields[21]))
    return largest * os.sysconf("SC_PAGE_SIZE") / 2**20
