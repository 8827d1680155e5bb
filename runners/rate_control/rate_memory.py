"""What was learned about limits, as JSON, so that a resume starts warm."""

import math
from collections.abc import Mapping
from typing import cast

from config.rate_signal import Meter
from runners.rate_control.limit_level import LimitLevel
from runners.rate_control.model_traffic import ModelTraffic
from runners.rate_control.rate_gate import KeyGate

VERSION = 1
FEWEST_REQUESTS, FEWEST_TOKENS = 20.0, 2000.0
"""Per minute. What is less may be the remains of a bad hour, and is found again in a minute."""
_MOST = 1e9  # what is more is no provider's figure but a broken file's
METERS: tuple[Meter, ...] = ("requests", "tokens", "input_tokens", "output_tokens")


class RateMemory:
    """Rates by scope: {"version": 1, "keys": {key: {"learned_at", "meters", "models"}}}."""

    def __init__(self) -> None:
        self._keys: Mapping[str, object] = {}

    def snapshot(self, gates: Mapping[str, KeyGate], now_wall_seconds: float) -> dict[str, object]:
        """Return what the gates have learned by now, and what is remembered of those not in use."""
        keys = dict(self._keys)
        for key, gate in gates.items():
            models = dict(_mapping(_mapping(keys.get(key)).get("models")))
            models.update(
                (model, _model_facts(traffic)) for model, traffic in gate.by_model.items()
            )
            keys[key] = {
                "learned_at": now_wall_seconds,
                "meters": _meter_facts(gate.level),
                "models": models,
            }
        return {"version": VERSION, "keys": keys}

    def restore(self, snapshot: object, gates: Mapping[str, KeyGate]) -> None:
        """Remember a snapshot, for scopes that exist and for those to come."""
        facts = _mapping(snapshot)
        if facts.get("version") != VERSION:
            return
        keys = _mapping(facts.get("keys"))
        self._keys = {key: _credible_key(_mapping(known)) for key, known in keys.items()}
        for key, gate in gates.items():
            self.recall_key(key, gate.level)
            for traffic in gate.by_model.values():
                self.recall_traffic(key, traffic)

    def recall_key(self, key: str, level: LimitLevel) -> None:
        """Give a key's meters the rates that they had."""
        _recall(level, _mapping(_mapping(self._keys.get(key)).get("meters")))

    def recall_traffic(self, key: str, traffic: ModelTraffic) -> None:
        """Give a model's meters the rates that they had, and what its replies are like."""
        models = _mapping(_mapping(self._keys.get(key)).get("models"))
        facts = _mapping(models.get(traffic.model))
        if _recall(traffic.level, _mapping(facts.get("meters"))):
            traffic.ramp.over = True  # the pace is known: there is nothing to feel out
        output_tokens = _number(facts.get("output_tokens"), 1.0)
        if output_tokens is not None:
            traffic.output_tokens = output_tokens
        in_flight = _number(facts.get("in_flight"), 1.0)
        if in_flight is not None:
            traffic.level.in_flight.restore(math.ceil(in_flight))


def _model_facts(traffic: ModelTraffic) -> dict[str, object]:
    return {
        "meters": _meter_facts(traffic.level),
        "output_tokens": traffic.output_tokens,
        "in_flight": traffic.level.in_flight.limit,
    }


def _meter_facts(level: LimitLevel) -> dict[str, object]:
    facts: dict[str, object] = {}
    for meter, learner in level.meters.items():
        known = learner.known()
        if known is not None and 60 * known[0] >= _fewest(meter):
            facts[meter] = {"per_minute": 60 * known[0], "refused_per_minute": 60 * known[1]}
    return facts


def _credible_key(facts: Mapping[str, object]) -> Mapping[str, object]:
    """Return what a file says of one API key, without the rates that nobody can mean."""
    models = _mapping(facts.get("models"))
    return {
        **_credible_scope(facts),
        "models": {model: _credible_scope(_mapping(known)) for model, known in models.items()},
    }


def _credible_scope(facts: Mapping[str, object]) -> Mapping[str, object]:
    rates = _mapping(facts.get("meters"))
    credible = {meter: rates[meter] for meter in METERS if _rates(rates, meter) is not None}
    return {**facts, "meters": credible}


def _rates(facts: Mapping[str, object], meter: Meter) -> tuple[float, float] | None:
    """Return a meter's rate and the one that was refused, per minute, None if not credible."""
    rates = _mapping(facts.get(meter))
    rate = _number(rates.get("per_minute"), _fewest(meter))
    if rate is None:
        return None
    return rate, _number(rates.get("refused_per_minute"), rate) or rate


def _recall(level: LimitLevel, facts: Mapping[str, object]) -> bool:
    """Give the meters the rates that they had; return whether there were any."""
    found = False
    for meter in METERS:
        rates = _rates(facts, meter)
        if rates is not None:
            level.meter(meter).restore(rates[0] / 60, rates[1] / 60)
            found = True
    return found


def _mapping(value: object) -> Mapping[str, object]:
    """Return a JSON object, an empty one for anything else."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _fewest(meter: Meter) -> float:
    return FEWEST_REQUESTS if meter == "requests" else FEWEST_TOKENS


def _number(value: object, least: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if least <= value <= _MOST else None
