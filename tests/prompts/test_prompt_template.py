"""The words around a problem: the default's to the byte, and others by name or file."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.prompt_text import PromptText
from prompts.problems import Problem, SolutionKind
from prompts.prompt_template import build_prompt, choose_prompt, prompt_version

SYSTEM = (
    "You are an expert Python programmer. You answer with complete, correct, self-contained "
    "Python code that uses only the standard library unless the problem asks for more."
)


def problem(kind: SolutionKind | None = "function", text: str = "Write `func`.\n") -> Problem:
    return Problem(
        task_id="typing_1",
        name="first",
        problem=text,
        canonical_solution="",
        tests=(),
        category="typing",
        complexity=1,
        object=kind,
    )


@pytest.mark.parametrize(
    ("kind", "said", "placeholder"),
    [
        ("function", "function", "func"),
        ("class", "class", "cls"),
        (None, "function or class", "func"),
    ],
)
def test_the_default_prompt_to_the_byte(
    kind: SolutionKind | None, said: str, placeholder: str
) -> None:
    prompt = build_prompt(problem(kind))
    assert prompt.system == SYSTEM
    assert prompt.user == (
        f"Write `func`.\n\nWrite this {said} in Python and name it exactly `first`. Where the text "
        f"above says `{placeholder}`, it means `first`.\n"
        "Reply with one ```python code block that holds the whole solution: every import and "
        "helper it needs, no tests, no example usage and no input or output."
    )


def test_the_default_by_name_is_the_default() -> None:
    assert choose_prompt("default", None) is None
    assert choose_prompt(None, SYSTEM) is None
    assert prompt_version(None) == "1"


def test_a_shipped_prompt_is_chosen_by_name() -> None:
    chosen = choose_prompt("short", None)
    assert chosen and chosen.name == "short" and chosen.system == SYSTEM
    assert "`first` (`func` above)" in build_prompt(problem(), chosen).user


def test_a_file_has_every_field_and_its_own_braces(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("{{x}} {task_id} {category} {kind} {name} {placeholder}: {problem} {1}\n\n")
    (tmp_path / "system.txt").write_text("Be {brief}.\n")
    chosen = choose_prompt(str(file), str(tmp_path / "system.txt"))
    assert chosen is not None
    prompt = build_prompt(problem(text="Take {name} and {{y}}."), chosen)
    assert prompt.user == "{x} typing_1 typing function first func: Take {name} and {{y}}. {1}"
    assert prompt.system == "Be {brief}."


def test_another_text_has_another_version() -> None:
    texts = [
        PromptText(name="a", user="{problem}", system=""),
        PromptText(name="a", user="{problem}!", system=""),
        PromptText(name="a", user="{problem}", system="!"),
    ]
    versions = [prompt_version(text) for text in texts]
    assert len(set(versions)) == 3
    assert all(version.startswith("a@") for version in versions)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{problm}", "no field {problm}; there are {problem}, {name}"),
        ("Write {name}.", "{problem} is missing"),
    ],
)
def test_a_prompt_that_cannot_be_meant_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "wrong.txt"
    file.write_text(content)
    with pytest.raises(ConfigError, match="prompt wrong:") as caught:
        choose_prompt(str(file), None)
    assert said in str(caught.value)


def test_a_name_that_is_nothing_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean default"):
        choose_prompt("defualt", None)
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        choose_prompt(str(tmp_path / "binary"), None)
