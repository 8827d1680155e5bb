"""A session in other programs' formats: one tidy table, or the folders of an evaluator."""

from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Literal

from processors.workers.engine import local_engine
from reports.exports.harness_samples import HarnessFormat, Samples, write_samples
from reports.exports.runcodeeval import benchmark_folder, write_folders
from reports.exports.table_files import TableFormat, TableWriter
from storage.records.tallies import total
from storage.session.session_folder import check_out
from storage.solution_store import SolutionStore

FolderFormat = HarnessFormat | Literal["runcodeeval"]
ExportFormat = TableFormat | FolderFormat
FOLDER_FORMATS: tuple[FolderFormat, ...] = ("runcodeeval", "humaneval", "evalplus")
_MANY_ANSWERS = 5000  # that take more time than starting processes
TABLE_FORMATS: tuple[TableFormat, ...] = ("parquet", "jsonl", "csv")


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    rows: answers, failures or samples. command: what evaluates one of its models, () for a table.
    notes: sentences for people.
    """

    rows: int
    command: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def command_line(self) -> str:
        """The command as it is typed into a shell."""
        return join(self.command)


def default_target(store: SolutionStore, kind: ExportFormat) -> Path:
    """Return where an export goes inside its session; never where answers are looked for."""
    return store.path / (kind if kind in FOLDER_FORMATS else f"solutions.{kind}")


def export_session(
    store: SolutionStore, kind: ExportFormat, target: Path, workers: int = 1
) -> Exported:
    """Write a session in a format and return what was written.

    target: a file, or for an evaluator a folder that gets one folder a model.
    workers: processes that make the rows of a table; for a few rows none is started.
    Raises ConfigError where the target is among a session's own files, a library is missing or
    the evaluator does not know the session's problems; StoreError where it cannot be written.
    """
    if target.resolve() != default_target(store, kind).resolve():
        check_out(target)
    if kind == "runcodeeval":
        return _runcodeeval(store, target)
    if kind == "humaneval" or kind == "evalplus":
        return _harness(kind, write_samples(store, kind, target))
    return Exported(_table(store, kind, target, workers))


def _table(store: SolutionStore, kind: TableFormat, target: Path, workers: int) -> int:
    """Write the table and return how many rows it has."""
    answers = total(store.tallies.values()).answered
    with local_engine(workers, is_small=answers < _MANY_ANSWERS) as engine:
        writer = TableWriter(store, engine)
        writer.write(kind, target)
        return writer.rows


def _runcodeeval(store: SolutionStore, target: Path) -> Exported:
    """Its paths are absolute: relative ones count from the evaluator's own folder."""
    rows, folders = write_folders(store, target)
    benchmark = benchmark_folder(store, target)
    if not benchmark.is_dir():
        note = "The session's problems cannot be read any more: there is no benchmark folder."
        return Exported(rows, notes=(note,))
    places = [str(place.resolve()) for place in (benchmark, *folders[:1])]
    command = ("python", "main.py", "--benchmark", places[0], "--solutions", *places[1:])
    return Exported(rows, command if folders else ())


def _harness(kind: HarnessFormat, samples: Samples) -> Exported:
    first = str(samples.files[0].resolve()) if samples.files else "samples.jsonl"
    command: tuple[str, ...] = ("evaluate_functional_correctness", first)
    if kind == "evalplus":
        command = ("evalplus.evaluate", "--dataset", samples.dataset, "--samples", first)
    notes: tuple[str, ...] = ()
    if samples.unanswered:
        notes = (f"{samples.unanswered} of {samples.rows} rows have no code: they count as wrong.",)
    return Exported(samples.rows, command, notes)
