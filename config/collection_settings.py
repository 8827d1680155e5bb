"""What one run is asked to do: flags over the environment over .env over defaults."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from config.environment import Environment
from config.errors import ConfigError
from config.model_config import ModelConfig
from config.prompt_text import PromptText
from config.reply_reading import ExtractionMode
from config.service_tier import (
    FLEX_REQUEST_SECONDS,
    FLEX_TASK_SECONDS,
    REQUEST_SECONDS,
    TASK_SECONDS,
    Tier,
)
from config.shard import Shard
from config.user_path import absolute_user_path

ProgressForm = Literal["auto", "bars", "lines", "json"]
# auto: where a sandbox holds; yes: refuse a run where none does.
EvaluateMode = Literal["no", "auto", "yes"]

DEFAULT_DATASETS = ("../dataset/generated/codeeval", "../dataset/generated")
STARTER_DATASET = "dataset/starter"
MOST_SAMPLES = 10_000

MOST = 1_000_000_000  # tasks, tokens, seconds, dollars: nobody means more
_MOST_DIGITS = 18
_LONGEST_SHOWN = 60
_BATCH_SIZE = 10
_MAX_CONCURRENT = 3
_QUICK_TEST_BATCH_SIZE = 5
_QUICK_TEST_MAX_CONCURRENT = 2
BATCH_REQUESTS = 1000

# Checked where a session is read back; flags and variables are checked on their own.
Count = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=MOST)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSettings:
    """One run's parameters; the session keeps them, and a resume takes them from there.

    models: registry names, aliases, labels or API ids; empty for the default models.
    api_ids: what each of models is asked for by; empty until that is looked up.
    all_models: every served model whose key is set, instead of models.
    categories: empty for all.
    dataset_path: None to look in the default places.
    prompt: the words around every problem, None for the default's.
    shard: the share of the problems that is asked, None for all.
    samples: how many answers every model is asked for to each problem.
    batch_size: problems that are planned and checkpointed together.
    max_concurrent_per_model: calls for solutions in flight to one model at most, those of an
        LLM's extraction aside; "auto" follows its limits.
    extraction_model: the name of the model that reads replies; None until that is looked up, and
        where rules alone read them.
    tier: the service tier that answers are asked for at, of models that have more than one.
    temperature, max_tokens: None leaves them to the model's row or the defaults.
    max_attempts, task_timeout_seconds: bounds of one task's retries.
    request_timeout_seconds: the deadline of one attempt.
    grace_seconds: how long calls in flight are waited for after an interrupt.
    max_cost_usd: cap on the session's spending, resumes included; None for no cap.
    allow_unknown_prices: run models without a known price under a cap, uncounted.
    evaluate: whether answers are judged as they arrive.
    batch: models with a discounted batch API are asked through it, the others live beside them.
    batch_requests: requests in one batch at most.
    batch_only: what a batch left unanswered is never asked live.
    """

    models: tuple[str, ...] = ()
    api_ids: tuple[str, ...] = ()
    all_models: bool = False
    categories: tuple[str, ...] = ()
    quick_test: bool = False
    dataset_path: Path | None = None
    prompt: PromptText | None = None
    shard: Shard | None = None
    samples: int = 1
    output_dir: Path
    batch_size: Count = _BATCH_SIZE
    max_concurrent_per_model: Count | Literal["auto"] = _MAX_CONCURRENT
    extraction: ExtractionMode = "auto"
    extraction_model: str | None = None
    tier: Tier = "default"
    temperature: Temperature | None = None
    max_tokens: Count | None = None
    max_attempts: Count = 8
    task_timeout_seconds: Amount = TASK_SECONDS
    request_timeout_seconds: Amount = REQUEST_SECONDS
    grace_seconds: Amount = 30.0
    max_cost_usd: Amount | None = None
    allow_unknown_prices: bool = False
    evaluate: EvaluateMode = "no"
    batch: bool = False
    batch_requests: Count = BATCH_REQUESTS
    batch_only: bool = False

    @classmethod
    def from_args(
        cls, args: argparse.Namespace, environment: Environment, root: Path
    ) -> "CollectionSettings":
        """Return the settings of one command line; flags that are None were not given.

        root: the project's folder, to which paths in the environment and defaults are relative.
        Raises ConfigError for a variable that cannot be read.
        """
        quick = bool(args.quick_test)
        batch_size, width = _pace(environment, quick=quick)
        request_seconds, task_seconds = _patience(args.tier)
        return cls(
            models=tuple(args.models or ()),
            all_models=args.all_models,
            categories=tuple(dict.fromkeys(args.categories or ())),
            quick_test=quick,
            dataset_path=_dataset_path(args.dataset_path, environment, root),
            shard=args.shard,
            samples=args.samples or _samples(environment),
            output_dir=output_dir(args.output_dir, environment, root),
            batch_size=args.batch_size or batch_size,
            max_concurrent_per_model=args.max_concurrent or width,
            extraction=args.extraction,
            tier=args.tier,
            temperature=args.temperature,
            max_tokens=args.max_tokens,
            max_attempts=args.max_attempts,
            task_timeout_seconds=args.task_timeout or task_seconds,
            request_timeout_seconds=args.request_timeout or request_seconds,
            grace_seconds=args.grace,
            max_cost_usd=args.max_cost,
            allow_unknown_prices=args.allow_unknown_prices,
            evaluate=args.evaluate or "no",
            batch=args.batch,
            batch_requests=args.batch_requests or BATCH_REQUESTS,
            batch_only=args.batch_only,
        )

    def to_parameters(self) -> dict[str, Any]:
        """Return the JSON object that summary.json keeps as session_parameters."""
        parameters: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        for name in ("prompt", "shard"):
            if parameters[name] is None:
                del parameters[name]
        return parameters

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> "CollectionSettings":
        """Return the settings that to_parameters wrote, by this version or an older one.

        Raises ConfigError where the object cannot be read.
        """
        try:
            return msgspec.convert(parameters, cls, dec_hook=_to_path)
        except msgspec.ValidationError as error:
            raise ConfigError(f"session_parameters: {error}") from error

    def resolved(
        self, *, models: Sequence[ModelConfig], reader: ModelConfig | None, dataset_path: Path
    ) -> "CollectionSettings":
        """Return these settings with nothing left to look up: what a resume needs."""
        return replace(
            self,
            models=tuple(config.name for config in models),
            api_ids=tuple(config.api_id for config in models),
            all_models=False,
            extraction_model=reader.name if reader else None,
            dataset_path=dataset_path,
        )


def whole_number(text: str) -> int | None:
    """Return a whole number from 1 to MOST, None where the text is anything else."""
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        return None
    number = int(text)
    return number if 1 <= number <= MOST else None


def output_dir(flag: str | None, environment: Environment, root: Path) -> Path:
    """Return the folder of sessions, absolute: --output-dir, else OUTPUT_DIR, else generated."""
    if flag:
        return absolute_user_path(flag, "--output-dir", Path.cwd())
    return absolute_user_path(environment.get("OUTPUT_DIR") or "generated", "OUTPUT_DIR", root)


def locate_dataset(settings: CollectionSettings, root: Path) -> tuple[Path, bool]:
    """Return the folder of problems, and whether it is the starter problems by default."""
    if settings.dataset_path:
        return settings.dataset_path, False
    for default in DEFAULT_DATASETS:
        folder = (root / default).resolve()
        if folder.is_dir() and any(folder.glob("*.jsonl")):
            return folder, False
    return root / STARTER_DATASET, True


def _pace(environment: Environment, *, quick: bool) -> tuple[int, int]:
    """Return how many problems are planned together, and how many calls are in flight."""
    batch_size = _whole_number(environment, "BATCH_SIZE", _BATCH_SIZE)
    width = _whole_number(environment, "MAX_CONCURRENT_PER_MODEL", _MAX_CONCURRENT)
    if quick:  # .env.example sets both: a quick test is gentle all the same
        batch_size = min(batch_size, _QUICK_TEST_BATCH_SIZE)
        width = min(width, _QUICK_TEST_MAX_CONCURRENT)
    return batch_size, width


def _patience(tier: Tier) -> tuple[float, float]:
    """Return for how long one attempt, and one task, is waited for where the user does not say."""
    if tier == "default":
        return REQUEST_SECONDS, TASK_SECONDS
    return FLEX_REQUEST_SECONDS, FLEX_TASK_SECONDS


def _dataset_path(flag: str | None, environment: Environment, root: Path) -> Path | None:
    if flag:
        return absolute_user_path(flag, "--dataset-path", Path.cwd())
    variable = environment.get("DATASET_PATH")
    if not variable:
        return None
    path = absolute_user_path(variable, "DATASET_PATH", root)
    defaults = [(root / default).resolve() for default in DEFAULT_DATASETS]
    # .env.example repeats a default: where that is absent it is no mistake of the user's.
    return None if path in defaults and not path.exists() else path


def _whole_number(environment: Environment, name: str, default: int) -> int:
    value = environment.get(name)
    if value is None:
        return default
    number = whole_number(value)
    if number is None:
        shown = repr(value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}...")
        raise ConfigError(
            f"{name}={shown} in the environment or .env: not a whole number from 1 to {MOST:,}"
        )
    return number


def _samples(environment: Environment) -> int:
    samples = _whole_number(environment, "SAMPLES", 1)
    if samples > MOST_SAMPLES:
        raise ConfigError(f"SAMPLES={samples} in the environment or .env: at most {MOST_SAMPLES:,}")
    return samples


def _to_path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"not a {kind.__name__}: {value!r}")
