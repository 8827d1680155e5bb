"""Dataset rows in: what is taken, what is refused, and how it is said."""

import json
from pathlib import Path

import pytest

from config.errors import ConfigError, DatasetError
from prompts.problems import first_of_each_category, load_problems, read_dataset


def row(task_id: str, **changes: object) -> str:
    fields = {
        "task_id": task_id,
        "name": "add",
        "problem": "Write `func` that adds two numbers.",
        "canonical_solution": "def add(a, b):\n    return a + b\n",
        "tests": '[{"ctx": "", "assertion": "func(1, 2) == 3"}]',
        "category": "sums",
        "complexity": 1,
        "object": "function",
    }
    return json.dumps(fields | changes)


def write(folder: Path, name: str, *lines: str, end: str = "\n") -> None:
    (folder / name).write_bytes((end.join(lines) + end).encode())


def test_a_good_row_becomes_a_problem(tmp_path: Path) -> None:
    write(tmp_path, "sums.jsonl", row("sums_1"))
    (problem,) = load_problems(tmp_path)
    assert (problem.task_id, problem.name, problem.category) == ("sums_1", "add", "sums")
    assert problem.tests[0].assertion == "func(1, 2) == 3"
    assert (problem.complexity, problem.object) == (1, "function")


def test_tests_may_be_a_list_and_may_carry_an_inspection(tmp_path: Path) -> None:
    tests = [{"ctx": "x = 1", "assertion": "func(x, 2) == 3", "inspection": "uses +"}]
    write(tmp_path, "sums.jsonl", row("sums_1", tests=tests))
    (test,) = load_problems(tmp_path)[0].tests
    assert (test.ctx, test.inspection) == ("x = 1", "uses +")


def test_bom_crlf_and_blank_lines_are_fine(tmp_path: Path) -> None:
    content = (
        "\ufeff" + row("sums_1") + "\r\n\r\n  \r\n" + row("sums_2", problem="Gänse 鹅") + "\r\n"
    )
    (tmp_path / "sums.jsonl").write_bytes(content.encode())
    assert [problem.task_id for problem in load_problems(tmp_path)] == ["sums_1", "sums_2"]
    assert load_problems(tmp_path)[1].problem == "Gänse 鹅"


def test_the_category_is_the_rows_or_its_topic_or_the_files_name(tmp_path: Path) -> None:
    topic = json.loads(row("b")) | {"topic": "of_topic"}
    del topic["category"]
    neither = json.loads(row("c"))
    del neither["category"]
    write(tmp_path, "of_file.jsonl", row("a"), json.dumps(topic), json.dumps(neither))
    assert {p.task_id: p.category for p in load_problems(tmp_path)} == {
        "a": "sums",
        "b": "of_topic",
        "c": "of_file",
    }


def test_every_bad_line_is_named_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        "bad.jsonl",
        row("ok"),
        "{not json",
        json.dumps({"task_id": "x", "name": "f"}),
        row("y", name="not a name"),
        row("z", tests="nonsense"),
        row("w", object="module"),
        row(""),
        "[1, 2]",
    )
    with pytest.raises(DatasetError) as raised:
        load_problems(tmp_path)
    lines = str(raised.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"bad.jsonl:{n}" for n in range(2, 9)]
    assert "missing required field `problem`" in lines[1]
    assert "'not a name' is not a Python identifier" in lines[2]
    assert lines[-1].endswith(f"(7 errors in {tmp_path})")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "class"}, "name 'class' is a keyword of Python"),
        ({"complexity": -1}, "complexity is -1: it is 0 or more"),
        ({"object": "module"}, "object is 'module': it is function or class"),
    ],
)
def test_what_no_problem_can_have_is_an_error(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    write(tmp_path, "bad.jsonl", row("a"), row("b", **changes))
    with pytest.raises(DatasetError) as raised:
        load_problems(tmp_path)
    assert str(raised.value) == f"bad.jsonl:2: {said} (1 error in {tmp_path})"


def test_a_key_that_is_missing_names_the_one_that_stands_for_it(tmp_path: Path) -> None:
    slip = json.loads(row("a"))
    slip["problm"] = slip.pop("problem")
    write(tmp_path, "bad.jsonl", json.dumps(slip))
    with pytest.raises(DatasetError, match=r"required field `problem` \(there is `problm`\)"):
        load_problems(tmp_path)


def test_keys_that_nobody_reads_are_named_once(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", row("a"), *(row(f"b{n}", cannonical_solution="") for n in range(9)))
    write(tmp_path, "b.jsonl", row("c", Complexity=3, author="me"), row("d", author="you"))
    dataset = read_dataset(tmp_path)
    assert len(dataset.problems) == 12
    assert dataset.warnings == [
        "a.jsonl:2: unknown key 'cannonical_solution': did you mean canonical_solution? It is not "
        "read, in 9 rows",
        "b.jsonl:1: unknown key 'Complexity': did you mean complexity? It is not read",
    ]
    assert dataset.notes == ["Keys of the dataset that are not read: author"]
    write(tmp_path, "b.jsonl", row("c"))
    (tmp_path / "a.jsonl").unlink()
    dataset = read_dataset(tmp_path)
    assert dataset.warnings == dataset.notes == []


def test_broken_utf8_is_a_bad_line_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_bytes(row("a").encode() + b"\n\xff\xfe{}\n")
    with pytest.raises(DatasetError, match=r"^bad\.jsonl:2: "):
        load_problems(tmp_path)


def test_duplicate_task_ids_are_named_with_both_places(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", row("same"), row("other"))
    write(tmp_path, "b.jsonl", row("same"))
    with pytest.raises(DatasetError, match=r"b\.jsonl:1: duplicate task_id 'same', .* a\.jsonl:1"):
        load_problems(tmp_path)


@pytest.mark.parametrize("make_empty", [False, True])
def test_a_missing_or_empty_folder_is_an_error(tmp_path: Path, make_empty: bool) -> None:
    folder = tmp_path / "none"
    if make_empty:
        folder.mkdir()
    with pytest.raises(DatasetError, match="none: no "):
        load_problems(folder)


def test_one_file_is_a_dataset_too(tmp_path: Path) -> None:
    write(tmp_path, "sums.jsonl", row("sums_1"))
    write(tmp_path, "other.jsonl", row("other_1"))
    assert [p.task_id for p in load_problems(tmp_path / "sums.jsonl")] == ["sums_1"]


def test_categories_select_and_an_unknown_one_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "all.jsonl", row("a", category="typing"), row("b", category="regex"))
    assert [p.task_id for p in load_problems(tmp_path, ["regex"])] == ["b"]
    with pytest.raises(ConfigError, match="unknown category 'typin': did you mean typing"):
        load_problems(tmp_path, ["typin"])


def test_a_quick_test_takes_the_first_of_each_category(tmp_path: Path) -> None:
    write(tmp_path, "b.jsonl", row("b1", category="b"), row("b2", category="b"))
    write(tmp_path, "a.jsonl", row("a1", category="a"), row("a2", category="a"))
    assert [p.task_id for p in first_of_each_category(load_problems(tmp_path))] == ["a1", "b1"]


def test_the_content_hash_follows_what_is_asked(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", row("a"), row("b"), row("c", problem="Something else."))
    a, b, c = load_problems(tmp_path)
    assert len({a.content_hash, b.content_hash, c.content_hash}) == 3
    assert load_problems(tmp_path)[0].content_hash == a.content_hash


@pytest.mark.parametrize(
    "content",
    [
        b"task_id,name\n1,2\n3,4\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\n\xff\xfe\n",
        b'[{"task_id": "a", "name": "f", "problem": "p"},\n]',
        '{"task_id": "a", "name": "f", "problem": "p"}\n'.encode("utf-16"),
        b'{\n"task_id": "a",\n"name": "f"\n',
    ],
)
def test_a_file_that_is_no_jsonl_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.jsonl").write_bytes(content)
    with pytest.raises(DatasetError) as raised:
        load_problems(tmp_path)
    said = str(raised.value)
    assert said.startswith("bad.jsonl:1: ") and "\n" not in said
    assert said.endswith(f"; no line of this file is a JSON object (1 error in {tmp_path})")


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_document_is_one_line_that_says_how_to_split_it(
    tmp_path: Path, indent: int | None
) -> None:
    rows = [json.loads(row("a")), json.loads(row("b"))]
    text = json.dumps(rows, indent=indent).replace("}, {", "},\n{")
    (tmp_path / "all.jsonl").write_text(text)
    with pytest.raises(DatasetError) as raised:
        load_problems(tmp_path)
    assert str(raised.value) == (
        "all.jsonl: one JSON document, not a problem a line (jq -c '.[]' makes lines) "
        f"(1 error in {tmp_path})"
    )


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + row("a").encode())
    assert [p.task_id for p in load_problems(tmp_path)] == ["a"]


def test_a_folder_above_the_problems_names_the_one_below(tmp_path: Path) -> None:
    (tmp_path / "codeeval").mkdir()
    write(tmp_path / "codeeval", "a.jsonl", row("a"))
    with pytest.raises(DatasetError, match=f"did you mean {tmp_path / 'codeeval'}"):
        load_problems(tmp_path)


def test_what_is_no_readable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(DatasetError, match=r"a\.jsonl: cannot be read: Is a directory"):
        load_problems(tmp_path)


def test_commas_between_categories_are_noticed(tmp_path: Path) -> None:
    write(tmp_path, "all.jsonl", row("a", category="typing"), row("b", category="regex"))
    with pytest.raises(ConfigError, match="put spaces, not commas"):
        load_problems(tmp_path, ["typing,regex"])
