"""Names and answers that mean harm: no path leaves the session, every file stays readable."""

import csv
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from storage.files.safe_names import free_name, name_key, safe_name
from storage.sessions import create_session, list_sessions, open_session, repair_session
from storage.solution_store import SolutionStore
from tests.support.store_records import (
    failure,
    first_samples,
    metadata,
    read_json,
    read_lines,
    solution,
)

ORDINARY = ["gpt-4", "gpt-3.5-turbo", "dataclass", "context_manager", "claude-3-haiku-20240307"]
HOSTILE = [
    "..",
    ".",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:\\Windows",
    "c:stream",
    "nul\0byte",
    "line\nend",
    "\x1b[31mred",
    "🦙 llama",
    "x" * 300,
    "é" * 300,
    "con",
    "CON",
    "nul.txt",
    "com1",
    "LPT9.jsonl",
    "aux ",
    "trailing.",
    "trailing ",
    " leading",
    ".hidden",
    "-rf",
    "~root",
    "$HOME",
    "%PATH%",
    "summary.json",
    "progress.json",
    "failures.jsonl",
    "session.lock",
    "a.jsonl.damaged",
    "*",
    "what?",
    '"quoted"',
    "<script>",
    "a|b",
    "\ud800lone",
    "\u202eright to left",
    "",
    " ",
]
LOOKALIKES = [
    "Typing",
    "typing",
    "TYPING",
    "stra\N{LATIN SMALL LETTER SHARP S}e",
    "strasse",
    unicodedata.normalize("NFC", "café"),
    unicodedata.normalize("NFD", "café"),
    "a/b",
    "a_b",
    safe_name("a/b"),
]
any_text = st.text(st.characters(), max_size=300)


@pytest.mark.parametrize("name", [*ORDINARY, "数据类", "Qwen2.5-Coder-32B-Instruct"])
def test_ordinary_names_are_their_own_file_names(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["a/b", "meta-llama/Llama-3.3-70B"])
def test_what_can_be_read_of_a_name_stays(name: str) -> None:
    assert safe_name(name).startswith(name.replace("/", "_") + "-")


@given(any_text)
def test_a_file_name_is_one_harmless_component(name: str) -> None:
    file_name = safe_name(name)
    assert Path(file_name).name == file_name
    assert file_name not in ("", ".", "..")
    assert not set(file_name) & set('/\\:*?"<>|\0') and file_name.isprintable()
    assert file_name[0] not in ".- "
    assert file_name[-1] not in ". "
    assert len(f"{file_name}.jsonl.damaged".encode()) < 255
    assert safe_name(name) == file_name


@given(st.lists(any_text, unique=True, max_size=20))
def test_names_in_one_folder_never_share_a_file(names: list[str]) -> None:
    taken: set[str] = set()
    for name in names:
        key = name_key(free_name(name, taken))
        assert key not in taken
        taken.add(key)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_inside_the_session(tmp_path: Path, name: str) -> None:
    output = tmp_path / "generated"
    store = SolutionStore(output, "s")
    store.append(solution(f"{name}_1", name, name))
    store.append(solution(f"{name}_1", "gpt-4", name))
    store.append_failure(failure(f"{name}_2", name, name))
    store.append_pending(solution(f"{name}_3", name, name))
    store.checkpoint()
    store.finish("in_progress")
    assert [path.name for path in tmp_path.iterdir()] == ["generated"]
    assert [path.name for path in output.iterdir()] == ["s"]
    for path in output.rglob("*"):
        assert len(path.relative_to(store.path).parts) <= 2
    for path in store.path.rglob("*.jsonl"):
        assert read_lines(path)
    for path in store.path.rglob("*.json"):
        assert read_json(path)

    again = SolutionStore(output, "s")
    assert again.is_answered(name, (f"{name}_1", 1))
    assert again.is_pending(name, (f"{name}_3", 1))
    assert again.repair() == []
    again.append(solution(f"{name}_4", name, name))
    assert len(again.load_solutions_from_jsonl(name)) == 2
    assert len(list(store.path.glob("*/*.jsonl"))) == 2


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.strip()])
def test_a_hostile_session_id_stays_inside_the_output_folder(tmp_path: Path, name: str) -> None:
    output = tmp_path / "generated"
    store = create_session(output, name, metadata())
    assert store.path.parent == output
    assert [path.name for path in tmp_path.iterdir()] == ["generated"]
    assert open_session(output, name).path == store.path
    assert repair_session(open_session(output, name)) == []
    [row] = list_sessions(output)
    assert open_session(output, row.session_id).path == store.path
    with pytest.raises(ConfigError, match="already exists"):
        create_session(output, name, metadata())


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_session_id_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="session id is empty"):
        create_session(tmp_path, name, metadata())


def test_names_that_a_file_system_may_take_for_one_get_files_of_their_own(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    for model in ("m", "M"):
        for category in LOOKALIKES:
            store.append(solution(f"{category}_1", model, category))
    files = [path.relative_to(store.path) for path in store.path.glob("*/*.jsonl")]
    assert len(files) == 2 * len(LOOKALIKES)
    assert len({name_key(str(path)) for path in files}) == len(files)
    again = SolutionStore(tmp_path, "s")
    for model in ("m", "M"):
        for category in LOOKALIKES:
            [line] = again.load_solutions_from_jsonl(model, category)
            assert line["category"] == category
            again.append(solution(f"{category}_2", model, category))
    assert len(list(store.path.glob("*/*.jsonl"))) == len(files)


@pytest.mark.parametrize(
    "answer",
    [
        "lone \ud800 surrogate \udfff here",
        "nul \0 byte",
        "\x1b[2J\x1b]0;title\x07",
        "\r\n\x0b\x0c\x1c\x85\u2028\u2029",
        "```" * 10_000,
        '"}\n{"task_id": "forged"',
        "\ufeff\ufffe\uffff\U0010ffff",
    ],
    ids=["surrogates", "nul", "ansi", "line ends", "fences", "forged", "noncharacters"],
)
def test_a_hostile_answer_is_kept_in_readable_files(tmp_path: Path, answer: str) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution("t1", raw_response=answer, code=answer, problem=answer))
    store.append(solution("t2"))
    store.append_failure(failure(answer))
    store.finish()
    kept = answer.encode("utf-8", "backslashreplace").decode()
    [line, _] = [
        json.loads(line)
        for line in (store.path / "gpt-4" / "dataclass.jsonl").read_bytes().split(b"\n")
        if line
    ]
    assert line["raw_response"] == kept
    assert line["escaped_surrogates"] == (6 if "\ud800" in answer else 0)
    with (store.path / "gpt-4" / "dataclass.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["task_id"] for row in rows] == ["t1", "t2"]
    assert SolutionStore(tmp_path, "s").answered("gpt-4") == first_samples("t1", "t2")
    assert SolutionStore(tmp_path, "s").repair() == []


def test_halves_of_one_character_are_joined(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution(raw_response="\ud83e\udd99 and \ud83e"))
    [line] = store.load_solutions_from_jsonl("gpt-4")
    assert line["raw_response"] == "🦙 and \\ud83e"
    assert line["escaped_surrogates"] == 1


@pytest.mark.slow
def test_an_answer_of_ten_megabytes_is_kept_whole(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "s")
    answer = "é\n" * 5_000_000
    store.append(solution(raw_response=answer))
    store.finish()
    [line] = SolutionStore(tmp_path, "s").load_solutions_from_jsonl("gpt-4")
    assert line["raw_response"] == answer
    with (store.path / "gpt-4" / "dataclass.csv").open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert row["raw_response"].endswith("[... 9968000 more characters in the .jsonl]")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", "＝1"]  # noqa: RUF001


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_spreadsheet_runs_no_formula(tmp_path: Path, formula: str) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution(formula, formula, formula, raw_response=formula, code=formula))
    store.finish()
    [path] = store.path.glob("*/*.csv")
    with path.open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    first, rest = formula[0], formula[1:]
    assert row["raw_response"] == (f"'{first}'{rest}" if first.isspace() else f"'{formula}")
    for cell in row.values():
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(model=any_text, category=any_text, task=any_text, text=any_text)
def test_any_text_anywhere_comes_back_as_utf8_can_hold_it(
    tmp_path: Path, model: str, category: str, task: str, text: str
) -> None:
    store = SolutionStore(tmp_path)
    store.append(solution(task, model, category, raw_response=text, code=text))
    store.finish()
    again = SolutionStore(tmp_path, store.session_id)
    assert again.is_answered(model, (task, 1))
    [line] = again.load_solutions_from_jsonl(model)
    assert line["raw_response"] == _as_utf8(text)
    assert read_json(store.path / "summary.json")


def _as_utf8(text: str) -> str:
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return joined.encode("utf-8", "backslashreplace").decode("utf-8")


INNER_FORMULAS = [
    "x;=1+1",
    "x\t=1+1",
    "x\n=1+1",
    "x\r\n-1",
    'x;"=1+1"',
    'x;""@SUM(1)',
    ";+1",
    "a,b;－1",  # noqa: RUF001
]


@pytest.mark.parametrize("text", INNER_FORMULAS)
@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_a_spreadsheet_that_splits_elsewhere_runs_no_formula(
    tmp_path: Path, text: str, separator: str
) -> None:
    store = SolutionStore(tmp_path, "s")
    store.append(solution("t", "m", "c", raw_response=text, code=f"def f(): pass\n{text}"))
    store.finish()
    with (store.path / "m" / "c.csv").open(encoding="utf-8", newline="") as lines:
        cells = [cell for row in csv.reader(lines, delimiter=separator) for cell in row]
    assert not [cell for cell in cells if cell.lstrip('" ').startswith(tuple("=+-@＝＋－＠"))]  # noqa: RUF001
