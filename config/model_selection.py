"""Names that a user types in, rows of the registry out."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from config.errors import ConfigError
from config.local_rows import LOCAL_PREFIX, local_server_row
from config.model_config import ModelConfig

DEFAULT_MODELS = ("gpt-3.5-turbo", "claude-3-haiku-20240307")

_DATE_AT_END = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultModel:
    """One model of a run that names none; replaces: the retired default that it stands for."""

    config: ModelConfig
    replaces: ModelConfig | None = None


def find_models(names: Sequence[str], rows: Sequence[ModelConfig]) -> list[ModelConfig]:
    """Return the rows of these names, in the names' order, each once.

    A name is a registry name, alias, label or API id, whatever its case and with `-`, `_` and
    `.` alike; or `local:<model>`, a model of the server at LOCAL_BASE_URL. An id that the API
    itself knows, with whatever date at its end, is asked for just as it was typed.
    Raises ConfigError for an unknown one, with the nearest names.
    """
    found: dict[str, ModelConfig] = {}
    for name in map(str.strip, names):
        row = _find_model(name, rows)
        if _is_api_id(name, row):
            row = _asking_for(name, row, name)
        found.setdefault(row.label, row)
    return list(found.values())


def recorded_models(
    names: Sequence[str], api_ids: Sequence[str], rows: Sequence[ModelConfig]
) -> list[ModelConfig]:
    """Return the models that a session's names meant when it began.

    api_ids: what each was asked for by; sessions that kept none asked by the rows' own ids.
    Raises ConfigError for a name that is unknown now.
    """
    found = [_find_model(name, rows) for name in names]
    if len(api_ids) != len(found):
        return found
    return [
        _asking_for(name, row, api_id)
        for name, row, api_id in zip(names, found, api_ids, strict=True)
    ]


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
            raise ConfigError(f"the replacements of {row.name} form a circle")
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
    if matches:
        return min(matches, key=lambda match: match[0])[1]
    of_another_date = next((row for row in rows if _is_api_id(name, row)), None)
    if of_another_date is None:
        raise ConfigError(_unknown(name, rows))
    return of_another_date


def _rank(folded: str, row: ModelConfig) -> int | None:
    """Return how directly a folded name means this row, 0 most; None where it does not."""
    by_directness = (row.name, *row.aliases, row.label, row.api_id, *row.api_aliases)
    return next((rank for rank, known in enumerate(by_directness) if _fold(known) == folded), None)


def _is_api_id(name: str, row: ModelConfig) -> bool:
    """Return whether the API may know the row's model by this name, letter for letter."""
    known = (row.api_id, *row.api_aliases)
    undated = _DATE_AT_END.sub("", name)
    is_dated = undated != name
    return name in known or (is_dated and undated in [_DATE_AT_END.sub("", id_) for id_ in known])


def _asking_for(name: str, row: ModelConfig, api_id: str) -> ModelConfig:
    """Return the row asking for another id; unless that is its label, it has one of its own."""
    if api_id == row.api_id:
        return row
    folder_name = re.sub("[^A-Za-z0-9._-]+", "-", api_id)
    return replace(
        row,
        name=name,
        label=row.label if api_id == row.label else folder_name,
        model_params={**row.model_params, "model_name": api_id},
    )


def _fold(name: str) -> str:
    return re.sub("[-_.]", "-", name.lower())


def _unknown(name: str, rows: Sequence[ModelConfig]) -> str:
    if "," in name:
        return f"unknown model {name!r}: put spaces, not commas, between names"
    known = {
        _fold(text): row.name
        for row in reversed(rows)
        for text in (*row.api_aliases, row.api_id, row.label, *row.aliases, row.name)
    }
    near = difflib.get_close_matches(_fold(name), known, n=5, cutoff=0.5)
    nearest = list(dict.fromkeys(known[text] for text in near))[:3]
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else "see --list-models"
    return f"unknown model {name!r}: {hint}"
