"""A row of the limiter's table: figures, each beside its bound."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number and its bound."""

    name: str
    value: float
    target: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the bound holds."""
        return self.value >= self.target if self.at_least else self.value <= self.target

    def text(self) -> str:
        """Return the figure, its bound, and a mark where it is missed."""
        sign = ">=" if self.at_least else "<="
        return f"{self.name} {self.value:.6g} ({sign} {self.target:g}){'' if self.met else ' !'}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    figures: tuple[Figure, ...]


Cell = Callable[[], Row]
"""One simulation, or two, that make a row; goes to another process."""


def percent(name: str, share: float, target: float, *, at_least: bool) -> Figure:
    """Return a share as a figure in percent, to two places."""
    return Figure(name=name, value=round(100 * share, 2), target=target, at_least=at_least)


def use(share: float, target: float = 98.0, name: str = "use %") -> Figure:
    """Return the share of what was permitted that was used."""
    return percent(name, share, target, at_least=True)


def refused(share: float, target: float = 0.5) -> Figure:
    """Return the share of tries that were refused."""
    return percent("refused %", share, target, at_least=False)
