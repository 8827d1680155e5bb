"""guide.md's SolutionStore: a session's answers, and every file that is derived from them."""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import msgspec

from config.clock import Clock
from config.errors import StoreError
from storage.files.pacing import Pacer
from storage.files.regular_file import size_of
from storage.files.utf8_text import clean_text
from storage.records.answer_log import AnswerLog
from storage.records.record_json import record_from_fields, solutions_in_files
from storage.records.sidecars import Sidecars
from storage.records.solution_record import FailureRecord, SolutionRecord
from storage.session.manifest import SessionMetadata, SessionStatus, write_manifest
from storage.views.category_csv import MOST_CSV_ROWS, CsvExporter
from storage.views.comparison import MOST_PROBLEMS, write_comparison
from storage.views.summaries import (
    Extent,
    by_model,
    write_model_summary,
    write_session_summary,
)

logger = logging.getLogger("collector")

_DEFAULT_FIELDS: Mapping[str, object] = {
    "problem": "",
    "category": "uncategorized",
    "complexity": None,
    "raw_response": "",
    "extracted_solution": "",
    "validation": {},
    "llm_call_success": True,
    "execution_time": 0.0,
}


class SolutionStore(AnswerLog):
    """One session's answers, their exports and summaries.

    The exports may run in a thread of their own while answers are appended.
    """

    def __init__(
        self,
        output_dir: str | Path = "generated",
        session_id: str | None = None,
        *,
        clock: Clock | None = None,
        most_csv_rows: int = MOST_CSV_ROWS,
        most_compared: int = MOST_PROBLEMS,
        sidecars: Sidecars | None = None,
        workers: int = 1,
    ) -> None:
        """Open or create output_dir/session_id; without an id make a session that is new.

        most_csv_rows: of a category's .csv file; one that would be longer is not written.
        most_compared: problems in one file of the comparison. sidecars: those of its long files.
        workers: processes that read its files where they are large.
        Raises StoreError where the folder cannot be made or read, or is of a newer version.
        """
        super().__init__(output_dir, session_id, clock=clock, workers=workers)
        self._opened_at = self._clock.time()
        self._csv = CsvExporter()
        self._most_csv_rows = most_csv_rows
        self._most_compared = most_compared
        self._sidecars = sidecars or Sidecars()
        self._export_lock = threading.Lock()
        self._pacer = Pacer(self._clock, share=0.02, min_seconds=0.5, max_seconds=30.0)

    def add_single_solution(
        self, task_id: str, model_name: str, solution_data: Mapping[str, object]
    ) -> None:
        """Keep an answer given as a guide-shaped dict: any of SolutionRecord's fields.

        One whose llm_call_success is False is kept as a failure.
        Raises StoreError naming unknown fields, or as append does.
        """
        fields = {**_DEFAULT_FIELDS, "timestamp": self._clock.time(), **solution_data}
        for name, value in (("task_id", task_id), ("model", model_name)):
            if fields.setdefault(name, value) != value:
                raise StoreError(f"solution data has {name} {fields[name]!r}, not {value!r}")
        record = record_from_fields(fields)
        if record.llm_call_success:
            self.append(record)
        else:
            self.append_failure(_failure_of(record))

    def replace_metadata(self, metadata: SessionMetadata) -> None:
        """Keep what a resume was allowed to change, such as the dataset's content hashes."""
        write_manifest(self.path, self.session_id, metadata)
        self.metadata = metadata

    def save_solutions_jsonl(self) -> dict[str, dict[str, Path]]:
        """Return model -> category -> .jsonl file, once all of them are on the disk.

        A category that has more than one file is told by its first: category_files has them all.
        """
        self.sync()
        return {model: _firsts(files) for model, files in self.category_files().items()}

    def save_solutions_csv(self) -> dict[str, dict[str, Path]]:
        """Return model -> category -> .csv file, each holding every answer.

        Categories of which has_csv says no are left out.
        """
        with self._export_lock:
            return {
                model: {
                    category: csv
                    for category, paths in files.items()
                    if (csv := self._refresh_csv(model, category, paths))
                }
                for model, files in self.category_files().items()
            }

    def has_csv(self, model: str, category: str) -> bool:
        """Return whether a model's answers of a category are few enough for a .csv file."""
        tally = self.tallies.get((model, category))
        return tally is None or tally.answered <= self._most_csv_rows

    def save_analysis_summary(self) -> dict[str, Path]:
        """Return model -> its summary.json; the session's own is brought up to date too."""
        with self._export_lock:
            self._save_session_summary()
            return self._save_model_summaries(self.category_files())

    def save_cross_model_comparison(self) -> Path:
        """Return the path of cross_model_comparison.json, made anew from the .jsonl files."""
        with self._export_lock:
            with self._lock:
                paths = dict(self._index.paths)
                models = self._models()
                problems = self._index.count_problems()
                counts_samples = max(self.samples, self._index.most_samples()) > 1
            return write_comparison(
                *(self.path, self.session_id, models, paths, problems),
                counts_samples=counts_samples,
                most_problems=self._most_compared,
            )

    def load_solutions_from_jsonl(
        self, model: str, category: str | None = None
    ) -> list[dict[str, object]]:
        """Return the model's answers (of one category, or of all) as they stand in the files."""
        return [
            msgspec.json.decode(line.content, type=dict[str, object])
            for name, paths in self.category_files().get(clean_text(model), {}).items()
            if category in (None, name)
            for _, line, record in solutions_in_files(paths)
            if record.model == clean_text(model) and record.category == name
        ]

    def get_category_files(self, model: str) -> dict[str, Path]:
        """Return category -> .jsonl file of the model, sorted by category; of several the first."""
        return _firsts(self.category_files().get(clean_text(model), {}))

    def checkpoint(self) -> None:
        """Bring CSV files and model summaries up to date with what is new since the last call."""
        with self._export_lock:
            self._pacer.start()
            with self._lock:
                kinds, self._unexported = self._unexported, set()
                kinds = {kind for kind in kinds if any(map(size_of, self._index.paths[kind]))}
                files = {kind: self._index.paths[kind] for kind in sorted(kinds)}
            try:
                for (model, category), paths in files.items():
                    self._refresh_csv(model, category, paths)
                    for path in paths:
                        self._sidecars.follow(path)
                self._save_model_summaries({model for model, _ in kinds})
            except BaseException:
                with self._lock:
                    self._unexported |= kinds
                raise
            finally:
                self._pacer.end()

    def checkpoint_if_due(self) -> bool:
        """Checkpoint where answers are new and the last one is long enough ago; say if it did.

        Checkpoints are at least half a second apart, take 2 % of the time, and are at most 30 s
        apart.
        """
        due = bool(self._unexported) and self._pacer.is_due(changed=True)
        if due:
            self.checkpoint()
        return due

    def finish(self, status: SessionStatus = "completed") -> None:
        """Bring every derived file up to date, and say in summary.json how the session stands.

        Raises StoreError where a file cannot be written; the answers are not touched.
        """
        self.sync()
        self.status = status
        self._ended_at = self._clock.time()
        self.save_solutions_csv()
        self.save_cross_model_comparison()
        self.save_analysis_summary()
        if not any(self._index.pending.values()):
            self._drop_pending()
        with self._lock:
            paths = set(chain.from_iterable(self._index.paths.values()))
        for path in paths:
            self._sidecars.seal(path)

    @property
    def samples(self) -> int:
        """How many answers every model is asked for to each problem."""
        return self.metadata.samples if self.metadata else self._index.most_samples()

    def _refresh_csv(self, model: str, category: str, paths: Sequence[Path]) -> Path | None:
        if self.has_csv(model, category):
            return self._csv.refresh(paths)
        if self._csv.drop(paths[0]):
            logger.warning(
                "%s: more than %s answers, too many for a .csv file: it is deleted. For a table: "
                "scripts/export_session.py --format parquet",
                *(paths[0], f"{self._most_csv_rows:,}"),
            )
        return None

    def _models(self) -> list[str]:
        planned = self.metadata.models if self.metadata else []
        return [*planned, *(model for model in self._index.models if model not in planned)]

    def _save_model_summaries(self, models: Iterable[str]) -> dict[str, Path]:
        with self._lock:
            tallies = by_model(self.tallies)
            folders = {model: self._index.folder_for(model) for model in models}
            extents = {model: self._extent(model) for model in folders}
        return {
            model: write_model_summary(folder, model, tallies[model], extents[model])
            for model, folder in folders.items()
        }

    def _extent(self, model: str) -> Extent:
        return Extent(
            problems=self.metadata.total_problems if self.metadata else None,
            samples=self.samples,
            problems_answered=self._index.count_problems(model),
            answer_files=self._index.count_files(model),
        )

    def _save_session_summary(self) -> None:
        with self._lock:
            metadata = self.metadata or self._inferred_metadata()
            tallies = by_model(self.tallies)
            problems_answered = {model: self._index.count_problems(model) for model in tallies}
            answer_files = {model: self._index.count_files(model) for model in tallies}
        write_session_summary(
            self.path,
            self.session_id,
            metadata,
            tallies,
            problems_answered,
            answer_files,
            status=self.status,
            collection_end=None if self.status == "in_progress" else self._ended_at,
        )

    def _inferred_metadata(self) -> SessionMetadata:
        samples = self._index.most_samples()
        return SessionMetadata(
            collection_start=self._opened_at,
            total_problems=self._index.count_problems(),
            models=list(self._index.models),
            categories=sorted({category for _, category in self.tallies}),
            session_parameters={"samples": samples} if samples > 1 else {},
        )


def _firsts(files: Mapping[str, Sequence[Path]]) -> dict[str, Path]:
    return {category: paths[0] for category, paths in files.items()}


def _failure_of(record: SolutionRecord) -> FailureRecord:
    return FailureRecord(
        task_id=record.task_id,
        model=record.model,
        category=record.category,
        error="CallFailed",
        message=record.raw_response or "the call failed",
        attempts=[],
        timestamp=record.timestamp,
        sample=record.sample,
        name=record.name or None,
        object=record.object,
        complexity=record.complexity,
        problem=record.problem or None,
        requested_model=record.requested_model or None,
    )
