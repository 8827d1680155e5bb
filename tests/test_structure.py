"""The house rules that a machine can hold: import direction, sizes, no stray prints."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STAGES = [
    "config",
    "prompts",
    "models",
    "processors",
    "storage",
    "evaluation",
    "reports",
    "runners",
    "scripts",
]
MODULES = sorted(file for stage in STAGES for file in (ROOT / stage).rglob("*.py"))
LONGEST_MODULE = 300
LONGEST_FUNCTION = 40
ROWS_OF_DATA = {"config/model_configs.py"}


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def stage_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0]


def imported_stages(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names & set(STAGES)


@pytest.mark.parametrize("file", MODULES, ids=name)
def test_a_stage_imports_only_from_stages_before_it(file: Path) -> None:
    own = STAGES.index(stage_of(file))
    imported = imported_stages(ast.parse(file.read_text(encoding="utf-8")))
    assert {stage for stage in imported if STAGES.index(stage) > own} == set()


@pytest.mark.parametrize("file", MODULES, ids=name)
def test_modules_and_functions_stay_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= LONGEST_MODULE or name(file) in ROWS_OF_DATA
    too_long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert too_long == []


@pytest.mark.parametrize("file", MODULES, ids=name)
def test_every_module_says_its_one_job(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not text or ast.get_docstring(ast.parse(text))


def test_there_are_modules_to_check() -> None:
    assert {stage_of(file) for file in MODULES} == set(STAGES)
