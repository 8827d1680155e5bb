"""A folder that an export writes into, inside its session or elsewhere."""

from pathlib import Path

from storage.files.durability import write_error
from storage.files.regular_file import make_folders
from storage.solution_store import SolutionStore


def open_folder(store: SolutionStore, folder: Path) -> Path:
    """Return the folder once it is there; raise StoreError where it cannot be made."""
    try:
        if folder.is_relative_to(store.path):
            make_folders(store.path, folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    return folder
