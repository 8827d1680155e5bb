"""A fault storm: a collection that is killed, damaged and refused at random, and kept count of."""

import contextlib
import re
import resource
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from signal import SIGINT, SIGTERM

import msgspec

from tests.support.command import Finished
from tests.support.program import JUMPING_CLOCK, Collection, Program, possibly_billed
from tests.support.session_check import check_agreement
from tests.support.watched_server import WatchedServer

_LET_GO = re.compile(r"(\d+) calls were abandoned")
_MOST_RESUMES_AFTER = 5


class _Key(msgspec.Struct, frozen=True):
    model: str
    task_id: str
    sample: int = 1


@dataclass(slots=True)
class Count:
    """What a storm did and what must hold.

    kept: answers at the end. lost: answers that had been written and were gone after a kill.
    doubled: answers that stood twice. said: calls that the program called possibly billed.
    asked_twice: good answers that the server gave beyond one for every sample of a problem.
    """

    expected: int
    kept: int = 0
    lost: int = 0
    doubled: int = 0
    said: int = 0
    asked_twice: int = 0
    runs: int = 0
    kills: int = 0
    interrupts: int = 0
    refusals: int = 0
    damages: int = 0
    tracebacks: list[str] = field(default_factory=list)
    exit_code: int = -1


class Storm:
    """Runs one collection through all of it.

    Most runs are killed; one in ten is interrupted in good order, after which every derived file
    must agree; one in twenty meets a file-size limit; every third has a clock that jumps. After a
    kill a file may be damaged as a power cut or an editor would, none of it an answer.
    """

    def __init__(
        self,
        server: WatchedServer,
        collection: Collection,
        tasks: int,
        dice: Random,
        samples: int = 1,
    ) -> None:
        self.count = Count(expected=tasks)
        self._server = server
        self._collection = collection
        self._dice = dice
        self._samples = samples
        self._written: set[_Key] = set()

    async def rage(self, kills: int) -> Count:
        """Return the count, once the collection came to its end after so many kills."""
        while self.count.kills < kills and len(self._written) < self.count.expected:
            left = self.count.expected - len(self._written)
            between = max(2, left // (kills - self.count.kills + 1))
            moment = self._dice.randint(1, max(1, between // 2))
            await self._run_until(self._server.given_in_all + moment)
        for _ in range(_MOST_RESUMES_AFTER):
            finished = await (await self._next_run(jumps=False)).finished()
            self._note(finished)
            self.count.exit_code = finished.exit_code
            if finished.exit_code == 0:
                break
        self.count.kept = len(check_agreement(self._collection.session))
        self.count.asked_twice = sum(
            max(0, given - self._samples) for given in self._server.given.values()
        )
        return self.count

    async def _run_until(self, answers: int) -> None:
        program = await self._next_run(jumps=self._dice.random() < 1 / 3)
        await self._server.has_given_or_ended(answers, program)
        way = self._dice.random()
        if way < 0.1:
            await self._interrupt(program)
        elif way < 0.15 and sys.platform == "linux":
            await self._refuse(program)
        else:
            self._note(await program.killed())
            self.count.kills += 1
            if self._dice.random() < 0.4:
                self._damage()

    async def _next_run(self, *, jumps: bool) -> Program:
        self.count.runs += 1
        wrapper = JUMPING_CLOCK if jumps else None
        if self._collection.session.exists():
            return await self._collection.resume(wrapper=wrapper)
        return await self._collection.start(wrapper=wrapper)

    async def _interrupt(self, program: Program) -> None:
        program.send(self._dice.choice((SIGINT, SIGTERM)))
        finished = await program.finished()
        self._note(finished)
        self.count.interrupts += 1
        if finished.exit_code != -SIGTERM:  # else it came before Python was up
            check_agreement(self._collection.session)

    async def _refuse(self, program: Program) -> None:
        answers = self._collection.session.glob("*/*.jsonl")
        largest = max((path.stat().st_size for path in answers), default=0)
        limit = largest + self._dice.randrange(2_000)
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (limit, limit))
        self._note(await program.finished())
        self.count.refusals += 1

    def _note(self, finished: Finished) -> None:
        """Count what a run said, and compare what is on the disk with what was there before."""
        self.count.said += possibly_billed(finished)
        let_go = _LET_GO.search(finished.stdout)
        self.count.said += int(let_go[1]) if let_go else 0
        if "Traceback" in finished.output:
            self.count.tracebacks.append(finished.output)
        found = _answers(self._collection.session)
        self.count.lost += len(self._written - found.keys())
        self.count.doubled += sum(number - 1 for number in found.values())
        self._written = set(found)

    def _damage(self) -> None:
        session, dice = self._collection.session, self._dice
        files = sorted(path for path in session.rglob("*") if path.is_file())
        lines = [path for path in files if path.suffix == ".jsonl"]
        derived = [path for path in files if path.suffix in (".json", ".csv")]
        derived = [path for path in derived if path.name != "manifest.json"]
        path = dice.choice(lines if lines and dice.random() < 0.5 else derived)
        if path.suffix == ".jsonl":
            with path.open("ab") as file:
                file.write(dice.choice((b'{"task_id": "torn', b"\xff\xfe\n", b"\0" * 64, b"[]\n")))
        elif dice.random() < 0.5:
            path.unlink()
        else:
            content = path.read_bytes()
            path.write_bytes(content[: dice.randrange(len(content) + 1)])
        self.count.damages += 1


def _answers(session: Path) -> Counter[_Key]:
    """Return how often each answer stands in the files; lines that are cut short are no answers."""
    found: Counter[_Key] = Counter()
    for path in session.glob("*/*.jsonl"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            try:
                key = msgspec.json.decode(line.strip(b"\0"), type=_Key)
            except (msgspec.MsgspecError, ValueError):
                continue
            found[key] += 1
    return found
