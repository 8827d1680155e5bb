"""Several addresses that serve the same models: used evenly, and one that fails is left out."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp

from config.clock import Clock
from models.wire.reply import Reply

logger = logging.getLogger("collector")

FIRST_PROBE_SECONDS, LONGEST_PROBE_SECONDS = 1.0, 30.0
UNAVAILABLE = 503
NEVER_REACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_BROKEN = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)


@dataclass(slots=True)
class Replica:
    """One address. out_since: when it failed, None while it answers; moments are monotonic.

    probe_at: when the next call may try it again; probes: those in flight, one at most.
    """

    address: str
    in_flight: int = 0
    used: int = 0
    out_since: float | None = None
    probe_at: float = 0.0
    pause_seconds: float = FIRST_PROBE_SECONDS
    probes: int = 0


class Replicas:
    """Chooses an address for every call: the one with the fewest calls in flight."""

    def __init__(self, addresses: Sequence[str], clock: Clock) -> None:
        self._replicas = [Replica(address) for address in addresses]
        self._clock = clock

    def choose(self, tried: Collection[str]) -> Replica | None:
        """Return where a call goes, None where it has tried every address that is of use.

        Where none answers a first try goes to the one that has been left alone for longest.
        """
        now = self._clock.monotonic()
        untried = [replica for replica in self._replicas if replica.address not in tried]
        due = [r for r in untried if r.out_since is not None and now >= r.probe_at and not r.probes]
        answering = [replica for replica in untried if replica.out_since is None]
        if due:
            return due[0]
        if answering:
            return min(answering, key=lambda replica: (replica.in_flight, replica.used))
        return None if tried else min(untried, key=lambda replica: replica.probe_at)

    @contextmanager
    def calling(self, replica: Replica) -> Iterator[None]:
        """Count a call to an address, and leave the address out where the call finds nobody."""
        sent_at = self._clock.monotonic()
        is_probe = replica.out_since is not None
        replica.in_flight += 1
        replica.used += 1
        replica.probes += is_probe
        try:
            yield
        except _BROKEN as error:
            self._leave_out(replica, sent_at, f"{type(error).__name__}: {error}")
            raise
        finally:
            replica.in_flight -= 1
            replica.probes -= is_probe

    def note(self, replica: Replica, reply: Reply, sent_at: float) -> None:
        """Take an address back that answers again; leave one out that says it is unavailable."""
        if reply.status == UNAVAILABLE:
            self._leave_out(replica, sent_at, "503")
        elif replica.out_since is not None and sent_at >= replica.out_since:
            replica.out_since, replica.pause_seconds = None, FIRST_PROBE_SECONDS
            logger.info("%s answers again", replica.address)

    def _leave_out(self, replica: Replica, sent_at: float, reason: str) -> None:
        now = self._clock.monotonic()
        if replica.out_since is None:
            replica.out_since = now
            others = sum(other.out_since is None for other in self._replicas)
            logger.warning(
                "%s is left out until it answers again; %d of %d addresses answer (%s)",
                *(replica.address, others, len(self._replicas), reason),
            )
        elif sent_at >= replica.probe_at:  # a probe, not one more of those that were under way
            replica.pause_seconds = min(2 * replica.pause_seconds, LONGEST_PROBE_SECONDS)
        else:
            return
        replica.probe_at = now + replica.pause_seconds
