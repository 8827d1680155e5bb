"""Names that a user types in, rows of the registry out."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from config.errors import ConfigError
from config.local_rows import LOCAL_PREFIX, local_server_row
from config.model_config import ModelConfig

DEFAULT_MODELS = ("gpt-3.5-turbo", "claude-3-haiku-20240307")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultModel:
    """One model of a run that names none; replaces: the retired default that it stands for."""

    config: ModelConfig
    replaces: ModelConfig | None = None


def find_models(names: Sequence[str], rows: Sequence[ModelConfig]) -> list[ModelConfig]:
    """Return the rows of these names, in the names' order, each once.

    A name is a registry name, alias, label or API id, whatever its case and with `-`, `_` and
    `.` alike; or `local:<model>`, a model of the server at LOCAL_BASE_URL.
    Raises ConfigError for an unknown one, with the nearest names.
    """
    found: dict[str, ModelConfig] = {}
    for name in names:
        row = _find_model(name.strip(), rows)
        found.setdefault(row.name, row)
    return list(found.values())


def is_retired(row: ModelConfig, on: date) -> bool:
    """Return whether the provider no longer serves this model on that day."""
    return row.retired is not None and date.fromisoformat(row.retired) <= on


def served_models(rows: Sequence[ModelConfig], on: date) -> list[ModelConfig]:
    """Return the rows whose models are served on that day, as far as the registry knows."""
    return [row for row in rows if not is_retired(row, on)]


def replacement_of(row: ModelConfig, rows: Sequence[ModelConfig], on: date) -> ModelConfig:
    """Return the row to use on that day instead of this one: itself while it is served."""
    tried = {row.name}
    while is_retired(row, on) and row.replacement is not None:
        row = _find_model(row.replacement, rows)
        if row.name in tried:
            raise ConfigError(f"the replacements of {row.name} go round in a circle")
        tried.add(row.name)
    return row


def default_models(rows: Sequence[ModelConfig], on: date) -> list[DefaultModel]:
    """Return the models of a run that names none, retired ones replaced."""
    chosen = []
    for row in find_models(DEFAULT_MODELS, rows):
        current = replacement_of(row, rows, on)
        chosen.append(DefaultModel(config=current, replaces=None if current is row else row))
    return chosen


def _find_model(name: str, rows: Sequence[ModelConfig]) -> ModelConfig:
    if name.lower().startswith(LOCAL_PREFIX) and name[len(LOCAL_PREFIX) :].strip():
        return local_server_row(name[len(LOCAL_PREFIX) :].strip())
    exact = [row for row in rows if row.name == name]
    if exact:
        return exact[0]
    folded = _fold(name)
    matches = [(rank, row) for row in rows if (rank := _rank(folded, row)) is not None]
    if not matches:
        raise ConfigError(_unknown(name, rows))
    return min(matches, key=lambda match: match[0])[1]


def _rank(folded: str, row: ModelConfig) -> int | None:
    """Return how directly a folded name means this row, 0 most; None where it does not."""
    by_directness = (row.name, *row.aliases, row.label, row.api_id)
    return next((rank for rank, known in enumerate(by_directness) if _fold(known) == folded), None)


def _fold(name: str) -> str:
    return re.sub("[-_.]", "-", name.lower())


def _unknown(name: str, rows: Sequence[ModelConfig]) -> str:
    if "," in name:
        return f"unknown model {name!r}: put spaces, not commas, between names"
    known = {
        _fold(text): row.name
        for row in reversed(rows)
        for text in (row.api_id, row.label, *row.aliases, row.name)
    }
    near = difflib.get_close_matches(_fold(name), known, n=5, cutoff=0.5)
    nearest = list(dict.fromkeys(known[text] for text in near))[:3]
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else "see --list-models"
    return f"unknown model {name!r}: {hint}"
