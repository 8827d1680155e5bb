"""The parts of an attack: which kinds go over which wires, in what kind of run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.hostile.attack import Outcome, Plan, attack
from tests.support.hostile.bodies import hostile_bodies
from tests.support.hostile.headers import hostile_headers, hostile_waits
from tests.support.hostile.json_values import hostile_json, hostile_usages
from tests.support.hostile.keys import hostile_keys
from tests.support.hostile.kinds import WIRES, Hostile
from tests.support.hostile.programs import hostile_code
from tests.support.hostile.texts import hostile_texts

# A run whose clock goes sixty times as fast: waits are real, and a minute takes a second.
QUICK_CLOCK = """
import runpy, selectors, sys, time
real, speed, started = time.monotonic, 60.0, time.monotonic()
time.monotonic = lambda: started + (real() - started) * speed
selector = selectors.DefaultSelector
wait = selector.select
selector.select = lambda self, timeout=None: wait(
    self, timeout if timeout is None or timeout <= 0 else timeout / speed
)
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True, slots=True)
class Part:
    """Kinds that go through one run.

    each_wire: every kind goes over every wire; else the wires share them, for what lies behind
    the wire. quick_clock: its run waits at sixty times the speed. stalls: some never end.
    """

    name: str
    kinds: Sequence[Hostile]
    each_wire: bool = True
    quick_clock: bool = False
    stalls: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    then: tuple[str, ...] = ()

    async def attack(
        self, folder: Path, kinds: Sequence[Hostile], *, ordinary: int, within_seconds: float = 60.0
    ) -> Outcome:
        """Return what a run with these kinds came to."""
        return await attack(
            folder,
            self.plan(kinds),
            *self._patience(),
            ordinary=ordinary,
            within_seconds=within_seconds,
            wrapper=QUICK_CLOCK if self.quick_clock else "",
            environment=dict(self.environment),
            then=self.then,
        )

    def _patience(self) -> tuple[str, ...]:
        """Return how long an attempt and a task may take, on a busy machine too."""
        if self.quick_clock:
            return ("--request-timeout", "360", "--task-timeout", "3600")
        return ("--request-timeout", "6" if self.stalls else "60")

    def plan(self, kinds: Sequence[Hostile]) -> Plan:
        """Return which wire gets which of these kinds."""
        if self.each_wire:
            return dict.fromkeys(WIRES, kinds)
        shares = {wire: kinds[place :: len(WIRES)] for place, wire in enumerate(WIRES)}
        return {wire: share for wire, share in shares.items() if share}


def _but_refusals(kinds: Sequence[Hostile]) -> list[Hostile]:
    return [kind for kind in kinds if "429" not in kind.name]


def _refusals(kinds: Sequence[Hostile]) -> list[Hostile]:
    """Return refused rates, whatever their bodies: the limiter rightly slows down after each."""
    return [kind for kind in kinds if "429" in kind.name]


_SDK_LOGS = (("OPENAI_LOG", "debug"), ("ANTHROPIC_LOG", "debug"))
_REFUSALS = _refusals([*hostile_bodies(), *hostile_json()])
PARTS = (
    Part("bodies", _but_refusals(hostile_bodies()), stalls=True),
    Part("headers", hostile_headers(), stalls=True),
    Part("json", _but_refusals(hostile_json())),
    Part("usages", hostile_usages()),
    Part("keys", hostile_keys(), environment=_SDK_LOGS),
    Part("texts", hostile_texts(), each_wire=False, then=("reprocess_session.py", "report.py")),
    Part("code", hostile_code(), each_wire=False, then=("reprocess_session.py", "report.py")),
    Part("waits", [*hostile_waits(), *_REFUSALS], quick_clock=True),
)
_SLOW_PARTS = ("waits",)
_SLOW_WORDS = ("a gateway's page", "Retry-After")


def for_a_storm() -> list[Hostile]:
    """Return the kinds that cost a run moments: no silence, and no waits."""
    kinds = [kind for part in PARTS if part.name not in _SLOW_PARTS for kind in part.kinds]
    return [kind for kind in kinds if not any(word in kind.name for word in _SLOW_WORDS)]
