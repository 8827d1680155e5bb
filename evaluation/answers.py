"""A session's answers as the judge needs them, one at a time, texts and all but no more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from storage.files.jsonl_file import read_lines_of


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a record in <model>/<category>.jsonl that judging needs."""

    task_id: str
    model: str
    category: str
    extracted_solution: str
    llm_call_success: bool
    finish_reason: str = "stop"
    sample: int = 1


@dataclass(frozen=True, slots=True)
class AnswerFiles:
    """The .jsonl files of a model's answers of a category, in the order of filling.

    paths: inside the session, as <model>/<category>.jsonl.
    """

    model: str
    category: str
    paths: Sequence[Path]


_DECODER = msgspec.json.Decoder(Answer)


def decode_answer(content: bytes) -> Answer | None:
    """Return the answer of a line, None where it is damaged, blank, or a call that failed."""
    try:
        answer = _DECODER.decode(content) if content else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return answer if answer is not None and answer.llm_call_success else None


def answers_in(files: AnswerFiles) -> Iterator[tuple[Answer, Path]]:
    """Yield the answers, each with its file, one a task and sample; damage is passed over."""
    seen: set[tuple[str, int]] = set()
    for path, line in read_lines_of(files.paths):
        answer = decode_answer(line.content)
        if answer is None:
            continue
        key = (answer.task_id, answer.sample)
        is_own = (answer.model, answer.category) == (files.model, files.category)
        if is_own and key not in seen:
            seen.add(key)
            yield answer, path


def answer_files(
    files: Mapping[str, Mapping[str, Sequence[Path]]], models: list[str], categories: list[str]
) -> list[AnswerFiles]:
    """Return the files of these models and categories; empty lists take all.

    files: model -> category -> paths.
    """
    return [
        AnswerFiles(model, category, paths)
        for model, by_category in files.items()
        for category, paths in by_category.items()
        if (not models or model in models) and (not categories or category in categories)
    ]
