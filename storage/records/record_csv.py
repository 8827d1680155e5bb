"""Records as rows of a .csv file, and how to tell such a file from others."""

from pathlib import Path

import msgspec

from storage.files.csv_cells import csv_cell
from storage.files.regular_file import is_regular, open_to_read
from storage.records.solution_record import SolutionRecord

COLUMNS = SolutionRecord.__struct_fields__


def is_export(path: Path) -> bool:
    """Return whether a .csv file was made here, in this version or another."""
    if not is_regular(path):
        return False
    start = f"{COLUMNS[0]},".encode()
    with open_to_read(path) as file:
        return file.read(len(start)) == start


def csv_row(record: SolutionRecord) -> list[str]:
    """Return a record as cells; nested values are JSON text, missing ones empty."""
    return [csv_cell(value) for value in msgspec.structs.astuple(record)]
