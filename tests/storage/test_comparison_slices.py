"""cross_model_comparison.json of more problems than one file takes."""

from pathlib import Path

import pytest

from storage.solution_store import SolutionStore
from storage.views.session_views import has_all_views
from tests.support.store_records import read_json, solution


def slices(session: Path) -> list[Path]:
    return sorted(session.glob("cross_model_comparison*.json"), key=lambda path: len(path.name))


def compared(session: Path, models: int = 2, problems: int = 5, most: int = 2) -> SolutionStore:
    """Return a finished session, so many problems in a file of its comparison."""
    store = SolutionStore(session.parent, session.name, most_compared=most)
    for category in ("dataclass", "typing"):
        for number in range(problems):
            for model in range(models):
                store.append(solution(f"{category}_{number}", f"m{model}", category))
    store.finish()
    return store


def test_what_does_not_fit_goes_on_in_the_next_file(tmp_path: Path) -> None:
    whole = compared(tmp_path / "whole", most=10)
    [one] = slices(whole.path)
    expected = read_json(one)
    assert "continued_in" not in expected
    store = compared(tmp_path / "sliced", most=3)
    first = store.save_cross_model_comparison()
    assert first.name == "cross_model_comparison.json"
    found: list[object] = []
    name: object = first.name
    names = []
    while isinstance(name, str):
        names.append(name)
        part = read_json(store.path / name)
        rows, summary = part["problems"], part["summary"]
        assert isinstance(rows, list) and isinstance(summary, dict)
        found += rows
        assert summary["total_problems"] == 10
        name = part.get("continued_in")
    assert found == expected["problems"]
    later = [f"cross_model_comparison.000{number}.json" for number in (2, 3, 4)]
    assert names == [first.name, *later]
    assert has_all_views(store)


def test_files_of_a_longer_comparison_are_taken_away(tmp_path: Path) -> None:
    store = compared(tmp_path / "s", most=3)
    assert len(slices(store.path)) == 4
    kept = store.path / "cross_model_comparison.mine.json"
    kept.write_text("{}", encoding="utf-8")
    SolutionStore(tmp_path, "s", most_compared=5).save_cross_model_comparison()
    assert {path.name for path in slices(store.path)} == {
        "cross_model_comparison.json",
        "cross_model_comparison.0002.json",
        kept.name,
    }


@pytest.mark.parametrize("damage", ["gone", "torn", "names another"])
def test_a_slice_that_cannot_be_read_is_noticed(tmp_path: Path, damage: str) -> None:
    store = compared(tmp_path / "s", most=4)
    second = store.path / "cross_model_comparison.0002.json"
    content = second.read_bytes()
    if damage == "gone":
        second.unlink()
    elif damage == "torn":
        second.write_bytes(content[: len(content) // 2])
    else:
        second.write_bytes(content.replace(b".0003.json", b".0002.json"))
    assert not has_all_views(store)
    store.save_cross_model_comparison()
    assert has_all_views(store)
