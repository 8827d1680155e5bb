"""Ask the embedded model in several styles and keep its replies: real text to extract from.

    nice -n 10 python benchmarks/collect_replies.py replies.jsonl --minutes 12
    nice -n 10 python benchmarks/collect_replies.py replies.jsonl --dataset FOLDER --minutes 12

Each line of the file: task_id, name, object, style, finish_reason, reply. A problem's own text is
never written, and of the problems of --dataset no reply that quotes them at length: they may be
other people's. What tests/processors/extraction_corpus/real keeps was picked from such a file.
"""

import argparse
import asyncio
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

from config.clock import Clock, SystemClock
from config.model_configs import select_models
from models.base_model import BaseModel, CallOptions, Completion, make_model
from models.embedded.embedded_llama import SLOTS
from prompts.problems import Problem, load_problems
from prompts.prompt_template import Prompt, build_prompt

MODEL = "smollm2_135m"
STARTER = Path(__file__).resolve().parent.parent / "dataset" / "starter"
QUOTE_WORDS = 9  # in a row: more than a signature has
STARTER_SHARE = 2  # starter problems asked for each one of --dataset

# What follows the problem, by the shape of reply that it is meant to bring about.
STYLES = {
    "plain": "Write `{name}` in Python.",
    "explained": "Explain your approach first, then give the Python code of `{name}`.",
    "bare": "Reply with the Python code of `{name}` and nothing else: no prose, no markdown.",
    "tests": "Write `{name}` in Python, then, in a second code block, tests that call it.",
    "two": "Give two different versions of `{name}` in Python, and say which one is better.",
    "draft": "Write a first draft of `{name}`, find its mistakes, then write the final version.",
    "steps": "Write `{name}` in Python in numbered steps, each with its piece of the code.",
    "session": "Show an interactive Python session in which you define `{name}` and try it.",
    "json": 'Reply with one JSON object: {{"explanation": "...", "code": "the code of {name}"}}.',
    "script": "Write a whole Python script that defines `{name}`, reads its input and prints.",
}
BUILT_IN_STYLE = "collector"  # the prompt of a collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One prompt: a problem, asked in a style; is_ours: of the starter problems."""

    problem: Problem
    style: str
    is_ours: bool

    @property
    def prompt(self) -> Prompt:
        """What the model is sent."""
        if self.style == BUILT_IN_STYLE:
            return build_prompt(self.problem)
        wanted = STYLES[self.style].format(name=self.problem.name)
        return Prompt(system="", user=f"{self.problem.problem.rstrip()}\n\n{wanted}")


class KeptReply(msgspec.Struct, frozen=True):
    """One line of the file."""

    task_id: str
    name: str
    object: str | None
    style: str
    finish_reason: str
    reply: str


def plan_questions(
    ours: Sequence[Problem], others: Sequence[Problem], chance: random.Random
) -> Iterator[Question]:
    """Yield every problem in every style, in an order that mixes both."""
    styles = [BUILT_IN_STYLE, *STYLES]
    first = [Question(problem=p, style=s, is_ours=True) for p in ours for s in styles]
    second = [Question(problem=p, style=s, is_ours=False) for p in others for s in styles]
    chance.shuffle(first)
    chance.shuffle(second)
    while first or second:
        yield from first[:STARTER_SHARE] + second[:1]
        first, second = first[STARTER_SHARE:], second[1:]


def quotes_at_length(reply: str, problem: str) -> bool:
    """Return whether the reply repeats QUOTE_WORDS or more words of the problem in a row."""
    words = re.findall(r"\w+", reply.lower())
    runs = {tuple(words[at : at + QUOTE_WORDS]) for at in range(len(words) - QUOTE_WORDS + 1)}
    theirs = re.findall(r"\w+", problem.lower())
    return any(tuple(theirs[at : at + QUOTE_WORDS]) in runs for at in range(len(theirs)))


async def collect(
    model: BaseModel, questions: Iterator[Question], file: TextIO, until: float, clock: Clock
) -> int:
    """Return how many replies were written before the time was up."""
    kept = 0

    async def work() -> None:
        nonlocal kept
        for question in questions:
            if clock.monotonic() >= until:
                return
            completion = await model.complete(question.prompt)
            if question.is_ours or not quotes_at_length(completion.text, question.problem.problem):
                file.write(_line(question, completion))
                file.flush()
                kept += 1

    async with asyncio.TaskGroup() as workers:
        for _ in range(SLOTS):
            workers.create_task(work())
    return kept


def _line(question: Question, completion: Completion) -> str:
    kept = KeptReply(
        task_id=question.problem.task_id,
        name=question.problem.name,
        object=question.problem.object,
        style=question.style,
        finish_reason=completion.finish_reason,
        reply=completion.text,
    )
    return msgspec.json.encode(kept).decode() + "\n"


async def _run(args: argparse.Namespace) -> int:
    ours = load_problems(STARTER)
    others = load_problems(args.dataset) if args.dataset else []
    questions = plan_questions(ours, others, random.Random(args.seed))
    options = CallOptions(max_tokens=args.max_tokens, temperature=args.temperature)
    clock = SystemClock()
    async with make_model(select_models([MODEL])[0], options=options) as model:
        with args.file.open("a", encoding="utf-8") as file:
            until = clock.monotonic() + 60 * args.minutes
            return await collect(model, questions, file, until, clock)


def main() -> int:
    """Return the exit code of one command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="the .jsonl file that the replies are added to")
    parser.add_argument("--dataset", type=Path, help="a folder of more problems, e.g. HumanEval")
    parser.add_argument("--minutes", type=float, default=12.0, help="when to ask no more")
    parser.add_argument("--max-tokens", type=int, default=300)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--seed", type=int, default=1, help="of the order of the questions")
    args = parser.parse_args()
    print(f"{asyncio.run(_run(args))} replies added to {args.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
