"""Settings in, everything that a run needs to know out: nothing is sent, nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from config.collection_settings import CollectionSettings, locate_dataset
from config.environment import Environment
from config.model_config import ModelConfig
from prompts.placed_problems import AskedProblem, those_of
from prompts.problems import MOST_HELD, Dataset, first_of_each_category, read_dataset
from runners.answers.reply_reader import refuse_reader_without_key, reply_reader
from runners.session.freed_memory import give_back_freed_memory
from runners.session.model_choice import choose_models


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionPlan:
    """One run, ready to go.

    settings: with nothing left to look up.
    reader: the model that reads the replies that rules cannot, None for rules alone.
    problems: what every model is asked, in order; of many only their places in the dataset's files.
    content_hashes: task_id -> a hash that changes with what is asked; of all problems, also where
        the settings ask a shard of them.
    categories: of all problems, in order.
    notes, warnings: what the user should know about what was chosen, a line each.
    """

    settings: CollectionSettings
    models: tuple[ModelConfig, ...]
    reader: ModelConfig | None = None
    problems: Sequence[AskedProblem]
    content_hashes: Mapping[str, str]
    categories: list[str]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def total_tasks(self) -> int:
        return len(self.models) * len(self.problems) * self.settings.samples


def plan_collection(
    settings: CollectionSettings,
    environment: Environment,
    root: Path,
    today: date,
    *,
    needs_keys: bool = True,
) -> CollectionPlan:
    """Return the plan of one run; needs_keys: False where nobody is to be asked.

    Raises ConfigError or DatasetError where it cannot be run as asked.
    """
    choice = choose_models(settings, environment, today, needs_keys=needs_keys)
    reader = reply_reader(settings, environment)
    if reader and needs_keys:
        refuse_reader_without_key(reader, environment)
    dataset, is_starter = locate_dataset(settings, root)
    notes = list(choice.notes)
    if is_starter:
        notes.append(f"No dataset at the default places: using the starter problems in {dataset}")
    read = _read(dataset, settings)
    problems = first_of_each_category(read.problems) if settings.quick_test else read.problems
    asked = problems
    if shard := settings.shard:
        asked = those_of(problems, lambda problem: shard.holds(problem.task_id))
        share = f"{len(asked) or 'none'} of the {len(problems)} problems"
        notes.append(f"Shard {shard}: {share}")
    return CollectionPlan(
        settings=settings.resolved(models=choice.models, reader=reader, dataset_path=dataset),
        models=tuple(choice.models),
        reader=reader,
        problems=asked,
        content_hashes={problem.task_id: problem.content_hash for problem in problems},
        categories=list(dict.fromkeys(problem.category for problem in problems)),
        notes=(*notes, *read.notes),
        warnings=(*choice.warnings, *read.warnings),
    )


def _read(path: Path, settings: CollectionSettings) -> Dataset:
    # What goes into a batch is made of many problems at once, and again where it is sent again.
    most_held = None if settings.batch else MOST_HELD
    dataset = read_dataset(path, settings.categories, most_held=most_held)
    if len(dataset.problems) > MOST_HELD:
        give_back_freed_memory()  # of texts that were read and not held
    return dataset
