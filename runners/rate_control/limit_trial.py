"""Do two models of one API key share a limit? The provider is asked, by what it refuses at once.

After a refusal of one model that names nobody, a few more of its requests leave in the same instant
as a few of another model. A limit that they share has room for one or so, whosever it is; limits of
their own refuse the first model and let the other one in.
"""

import math
from dataclasses import dataclass
from typing import Literal

from config.rate_signal import Meter
from runners.rate_control.model_traffic import ModelTraffic

Verdict = Literal["shared", "separate"]

FEWEST, MOST = 2, 7
SLOW_PER_SECOND = 4.0
"""Below, a limit lets in less than one more while the requests of one instant arrive."""
SPREAD_SECONDS = 0.05
"""By how much requests of one instant arrive apart; a limit lets some in meanwhile."""
SHORTEST_DOUBT_SECONDS = 1.0
STRONG, WEAK, ENOUGH = 4, 1, 8
"""What verdicts against a belief weigh, and how much in a row overturns it."""
LONGEST_GAP = 32


@dataclass(slots=True, eq=False)
class Trial:
    """Some requests that leave together, and what became of them.

    suspect, witness: the model that was refused, and the one that was not for longest.
    size: how many requests of either take part: more than a shared limit has room for.
    spare: how many the witness may send at once by a limit of its own, if that is by the second.
    """

    suspect: ModelTraffic
    witness: ModelTraffic
    meter: Meter
    size: int
    spare: int
    _began_at: float = math.inf
    _out: int = 0
    _refusal_seconds: float = 0.0
    _suspects_refused: int = 0
    _witnesses_sent: int = 0
    _witnesses_refused: int = 0

    @classmethod
    def after_refusal(
        cls,
        suspect: ModelTraffic,
        witness: ModelTraffic,
        meter: Meter,
        *,
        per_second: float,
        witness_per_second: float,
    ) -> "Trial":
        """Return a trial for the rates at which all requests and the witness's were sent."""
        more = 0 if per_second < SLOW_PER_SECOND else math.ceil(SPREAD_SECONDS * per_second)
        size = min(FEWEST + more, MOST)
        return cls(suspect, witness, meter, size, spare=max(1, int(witness_per_second)))

    def sent(self, now: float, traffic: ModelTraffic) -> None:
        """Count a request that takes part."""
        self._began_at = min(now, self._began_at)
        self._out += 1
        self._witnesses_sent += traffic is self.witness

    def refused(self, now: float, traffic: ModelTraffic) -> None:
        """Note that one of them was refused."""
        self._out -= 1
        self._refusal_seconds = max(self._refusal_seconds, now - self._began_at)
        self._suspects_refused += traffic is self.suspect
        self._witnesses_refused += traffic is self.witness

    def let_in(self) -> None:
        """Note that one of them was answered."""
        self._out -= 1

    def came_to_nothing(self, traffic: ModelTraffic) -> None:
        """Leave out one of them that failed, or met another limit: it says nothing of this one."""
        self._out -= 1
        self._witnesses_sent -= traffic is self.witness

    def is_over(self, now: float) -> bool:
        """Return whether whatever is still out would have been refused by now."""
        doubt = max(SHORTEST_DOUBT_SECONDS, 3 * self._refusal_seconds)
        return not self._out or now - self._began_at >= doubt

    def verdict(self) -> tuple[Verdict, int] | None:
        """Return what the trial says and what that weighs, None where it says nothing."""
        refused = self._witnesses_refused
        if refused > 1 and self._witnesses_sent - refused < self.spare:
            return "shared", STRONG
        if not self._suspects_refused or not self._witnesses_sent:
            return None
        if not refused:
            return "separate", STRONG
        # The others may have been too many for a small limit of the witness's own.
        return ("separate", WEAK) if self.spare == 1 and refused < self._witnesses_sent else None


@dataclass(slots=True)
class TrialRecord:
    """How often to ask about one meter, and when the answers suffice.

    Each trial that does not contradict what is believed doubles the number of refusals until the
    next; verdicts in a row that do overturn it.
    """

    decided: bool = False
    _gap: int = 1
    _refusals: int = 0
    _contrary: int = 0

    def is_due(self) -> bool:
        """Count a refusal; return whether a trial should follow it."""
        self._refusals += 1
        if self._refusals < self._gap:
            return False
        self._refusals = 0
        return True

    def confirmed(self) -> None:
        """Count a verdict that says what was believed."""
        self._contrary = 0

    def wait_longer(self) -> None:
        """Double the number of refusals until the next trial."""
        self._gap = min(2 * self._gap, LONGEST_GAP)

    def overturned(self, weight: int) -> bool:
        """Count a verdict against what was believed; return whether that has to give way."""
        if weight == STRONG:
            self._gap = 1
        self._contrary += weight
        if self._contrary < ENOUGH:
            return False
        self._contrary = 0
        self.decided = True
        return True
