"""Leave to send one request, and how it went."""

from collections.abc import Sequence
from typing import Protocol

from config.rate_signal import RateSignal
from runners.rate_control.limit_level import Charge
from runners.rate_control.limit_trial import Trial
from runners.rate_control.model_traffic import ModelTraffic


class PermitOffice(Protocol):
    """Who gave the permit and wants to know what became of it."""

    def accepted(
        self,
        permit: "Permit",
        signals: Sequence[RateSignal],
        tokens_used: tuple[int, int] | None,
    ) -> None: ...

    def refused(self, permit: "Permit", signals: Sequence[RateSignal]) -> None: ...

    def overloaded(self, permit: "Permit") -> None: ...

    def released(self, permit: "Permit") -> None: ...

    def withdrawn(self, permit: "Permit") -> None: ...


class Permit:
    """Leave to send one request; exactly one of its methods must be called, once.

    trial: what the request's fate is to tell, None for most.
    """

    __slots__ = ("_office", "_open", "charge", "sent_at", "traffic", "trial")

    def __init__(
        self,
        office: PermitOffice,
        traffic: ModelTraffic,
        sent_at: float,
        charge: Charge,
        trial: Trial | None = None,
    ) -> None:
        self.trial = trial
        self.traffic = traffic
        self.sent_at = sent_at
        self.charge = charge
        self._office = office
        self._open = True

    def accepted(
        self, signals: Sequence[RateSignal], *, tokens_used: tuple[int, int] | None
    ) -> None:
        """Report a 2xx reply; tokens_used is (input, output), None where it did not say."""
        self._close()
        self._office.accepted(self, signals, tokens_used)

    def refused(self, signals: Sequence[RateSignal]) -> None:
        """Report that the provider said: too fast."""
        self._close()
        self._office.refused(self, signals)

    def overloaded(self) -> None:
        """Report a 5xx, a timeout or a lost connection: it never lowers a rate."""
        self._close()
        self._office.overloaded(self)

    def released(self) -> None:
        """Report a request that was cancelled, or failed for reasons of its own."""
        self._close()
        self._office.released(self)

    def withdraw(self) -> None:
        """Give back the place of a request that never left."""
        self._close()
        self._office.withdrawn(self)

    def _close(self) -> None:
        if not self._open:
            raise RuntimeError("this permit has already been reported on")
        self._open = False
