"""Whether the files that are derived from a finished session's answers are all there."""

from pathlib import Path

from storage.files.regular_file import is_regular, read_regular
from storage.records.record_csv import is_export
from storage.session.manifest import SUMMARY_NAME, decode_or_none
from storage.session.progress_file import REPORT_NAME, read_progress
from storage.solution_store import SolutionStore
from storage.views.comparison import has_comparison


def is_concluded(store: SolutionStore) -> bool:
    """Return whether the session's last run came to its end and said so in every place."""
    progress = read_progress(store.path)
    return (
        store.status != "in_progress"
        and progress is not None
        and progress.status == store.status
        and _is_object(store.path / REPORT_NAME)
    )


def has_all_views(store: SolutionStore) -> bool:
    """Return whether every table, summary and comparison of the answers can be read."""
    first_files = {
        (model, category): path
        for model in store.answered_counts()
        for category, path in store.get_category_files(model).items()
    }
    summaries = {path.parent / SUMMARY_NAME for path in first_files.values()}
    tables = [p.with_suffix(".csv") for kind, p in first_files.items() if store.has_csv(*kind)]
    return (
        all(map(is_export, tables))
        and all(map(_is_object, summaries))
        and has_comparison(store.path)
    )


def _is_object(path: Path) -> bool:
    return is_regular(path) and decode_or_none(read_regular(path), dict) is not None
