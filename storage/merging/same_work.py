"""Whether sessions asked the same, and what the session that they are merged into asks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from config.errors import ConfigError
from prompts.prompt_template import prompt_version
from storage.merging.part import Part
from storage.session.manifest import SessionMetadata

_MOST_SHOWN = 60
_SAME: dict[str, Callable[[Part], object]] = {
    "prompt": lambda part: prompt_version(part.settings.prompt),
    "temperature": lambda part: part.settings.temperature,
    "max tokens": lambda part: part.settings.max_tokens,
    "samples": lambda part: part.metadata.samples,
}


def refuse_other_work(parts: Sequence[Part]) -> None:
    """Raise ConfigError, naming the first difference, where two sessions asked different things."""
    first = parts[0]
    for other in parts[1:]:
        names = f"{first.folder.name} and {other.folder.name}"
        if problem := _other_problem(first, other):
            raise ConfigError(f"{names} asked different problems: {_shown(problem)}")
        for what, value_of in _SAME.items():
            mine, its = value_of(first), value_of(other)
            if mine != its:
                raise ConfigError(
                    f"{names} differ in {what}: {_shown(str(mine))} and {_shown(str(its))}"
                )
    _models(parts)


def merged_metadata(parts: Sequence[Part], output_dir: Path) -> SessionMetadata:
    """Return what the merged session asks: every problem of every model of any part."""
    first, models = parts[0], _models(parts)
    metadata, dataset = first.metadata, first.metadata.dataset or {}
    settings = replace(
        first.settings,
        models=tuple(name for name, _ in models.values()),
        api_ids=tuple(api_id for _, api_id in models.values()),
        shard=None,
        output_dir=output_dir,
        dataset_path=_dataset_path(parts),
        max_cost_usd=_cap_usd(parts),
    )
    if not all(settings.api_ids):  # one that kept none: they are looked up again
        settings = replace(settings, api_ids=())
    return SessionMetadata(
        collection_start=min(part.metadata.collection_start for part in parts),
        total_problems=len(dataset),
        models=list(models),
        categories=list(dict.fromkeys(c for part in parts for c in part.metadata.categories)),
        session_parameters=settings.to_parameters(),
        dataset=metadata.dataset,
    )


def _models(parts: Sequence[Part]) -> dict[str, tuple[str, str]]:
    """Return label -> name and API id, "" where that was not kept, in the order of the parts."""
    models: dict[str, tuple[str, str]] = {}
    for part in parts:
        settings = part.settings
        api_ids = settings.api_ids or ("",) * len(settings.models)
        for label, *named in zip(part.metadata.models, settings.models, api_ids, strict=False):
            name, api_id = named
            known = models.setdefault(label, (name, api_id))
            if known[1] and api_id and known[1] != api_id:
                raise ConfigError(
                    f"{part.folder.name} asked {label} as {_shown(api_id)}, another session as "
                    f"{_shown(known[1])}"
                )
            models[label] = known if known[1] else (name, api_id)
    return models


def _other_problem(first: Part, other: Part) -> str | None:
    mine, its = first.metadata.dataset or {}, other.metadata.dataset or {}
    if mine == its:
        return None
    return min(task for task in mine.keys() | its.keys() if mine.get(task) != its.get(task))


def _dataset_path(parts: Sequence[Part]) -> Path | None:
    """Return where the problems stand: the first place that is on this machine."""
    paths = [path for part in parts if (path := part.settings.dataset_path)]
    return next((path for path in paths if path.exists()), paths[0] if paths else None)


def _cap_usd(parts: Sequence[Part]) -> float | None:
    """Return the sum of the caps, None where one session had none."""
    caps = [part.settings.max_cost_usd for part in parts]
    known = [cap for cap in caps if cap is not None]
    return sum(known) if len(known) == len(caps) else None


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
