"""What the end of a run says of files that a very large session does without."""

from pathlib import Path

import pytest

from runners.collection_runner import RunOutcome
from scripts._report import print_report
from storage.solution_store import SolutionStore
from tests.support.store_records import solution

ENDED = RunOutcome(interrupted=False, answered=0, failed=0, undone=0, closed={}, stopped_by=None)


def test_it_says_which_answers_have_no_csv_and_what_to_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SolutionStore(tmp_path, "s", most_csv_rows=1)
    store.append(solution("t1"))
    store.append(solution("t2"))
    store.append(solution("u1", category="typing"))
    print_report(store, ENDED, tmp_path)
    said = capsys.readouterr().out
    assert "no .csv of gpt-4/dataclass: too long for a spreadsheet; use Parquet:" in said
    assert "--format parquet" in said
    print_report(SolutionStore(tmp_path, "s"), ENDED, tmp_path)
    assert "Parquet" not in capsys.readouterr().out
