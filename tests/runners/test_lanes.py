"""Lanes while they run: how wide they are, what they have out, what is kept of what they learn."""

import asyncio
import json
import logging
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from config.collection_settings import CollectionSettings
from config.errors import AuthFailed, StoreError
from config.model_config import ModelConfig
from models.base_model import BaseModel, CallOptions, Completion, make_model
from models.embedded.embedded_llama import SLOTS
from processors.reading.bounded_reader import BoundedReader
from processors.workers.pool import Workers
from prompts.problems import load_problems
from prompts.prompt_template import Prompt
from runners.collection_runner import CollectionRunner, RunOutcome, rate_scope
from runners.lanes.lane import Lane
from runners.lanes.lane_widths import LaneWidths
from runners.lanes.model_tasks import ModelTasks
from runners.progress.progress_display import Lines
from runners.rate_limiter import AdaptiveRateLimiter, RateScope, RateStatus
from runners.session.run_models import RunModels
from storage.progress_tracker import ProgressTracker
from storage.records.solution_record import SolutionRecord
from storage.session.rate_limits_file import RATE_LIMITS_NAME
from storage.solution_store import SolutionStore
from tests.support.datasets import write_dataset
from tests.support.stepped_clock import SteppedClock, until

PROSE = "I would loop over it, and return what is left."
CODE = "```python\ndef solve_1(value):\n    return value\n```"


class HeldModel(BaseModel):
    """Answers when the test lets it."""

    def __init__(
        self,
        name: str = "held",
        *,
        api_id: str = "",
        text: str = CODE,
        timeout_seconds: float = 600.0,
    ) -> None:
        config = ModelConfig(
            name=name,
            provider="local",
            api_key_env="",
            model_class="HeldModel",
            model_params={"model_name": api_id or name},
            label=name,
        )
        super().__init__(config, options=CallOptions(request_timeout_seconds=timeout_seconds))
        self.out = 0
        self.most_out = 0
        self.answered = 0
        self.cancelled = 0
        self._text = text
        self._leave = asyncio.Semaphore(0)

    def release(self, calls: int) -> None:
        for _ in range(calls):
            self._leave.release()

    async def send(self, prompt: Prompt) -> Completion:
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        try:
            await self._leave.acquire()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.out -= 1
        self.answered += 1
        return Completion(text=self._text)


class RefusedModel(HeldModel):
    """Refuses its key, once released."""

    async def send(self, prompt: Prompt) -> Completion:
        await super().send(prompt)
        raise AuthFailed("no such key", status=401)


class ScriptedLimiter(AdaptiveRateLimiter):
    """Suggests as many slots as the test says, and remembers what it is told."""

    def __init__(self, clock: SteppedClock, suggested: int = 4) -> None:
        super().__init__(clock)
        self.suggested = suggested
        self.registered: dict[str, int] = {}
        self.learned: dict[str, object] = {}
        self.restored: list[object] = []

    def register(self, scope: RateScope, *, slots: int) -> None:
        super().register(scope, slots=slots)
        self.registered[scope.model] = slots

    def status(self, scope: RateScope) -> RateStatus:
        return RateStatus(
            rate_per_minute=None,
            in_use=0,
            waiting=0,
            blocked_until=None,
            reason="",
            suggested_slots=self.suggested,
        )

    def snapshot(self) -> dict[str, object]:
        return self.learned

    def restore(self, snapshot: object) -> None:
        self.restored.append(snapshot)


class Session:
    """One session and what it takes to run it; the time goes on as the test says."""

    def __init__(self, folder: Path) -> None:
        self.clock = SteppedClock()
        self.limiter = ScriptedLimiter(self.clock)
        self.problems = load_problems(write_dataset(folder / "data", {"sums": 30}))
        self.store = SolutionStore(folder / "out", "s", clock=self.clock)
        self.settings = CollectionSettings(output_dir=folder / "out")

    async def run(self, *models: BaseModel, extraction: BaseModel | None = None) -> RunOutcome:
        """Return how a run ended."""
        tracker = ProgressTracker(
            self.store.path,
            session_id="s",
            start_time=0.0,
            total_tasks=len(models) * len(self.problems),
            models=[model.config.label for model in models],
            categories=["sums"],
            clock=self.clock,
        )
        tracker.restore(self.store)
        async with Workers() as workers:
            runner = CollectionRunner(
                self.settings,
                self.store,
                tracker,
                Lines(),
                self.limiter,
                self.clock,
                random.Random(1),
                BoundedReader(workers),
            )
            asked = RunModels(answering=models, extraction=extraction)
            return await runner.run(asked, self.problems)

    def in_flight_on_disk(self) -> int:
        """Return the bound that a resume would read after a kill."""
        bound = json.loads((self.store.path / "progress.json").read_text())["in_flight"]
        assert isinstance(bound, int)
        return bound

    async def goes_on_until(self, condition: Callable[[], bool]) -> None:
        """Let the time pass until the condition holds."""

        def passes() -> bool:
            self.clock.advance(0.01)
            return condition()

        await until(passes)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


async def test_auto_widens_and_narrows_a_lane_without_cancelling_a_call(session: Session) -> None:
    session.settings = replace(session.settings, max_concurrent_per_model="auto")
    session.limiter.suggested = 12
    model = HeldModel()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(session.run(model))
        await session.goes_on_until(lambda: model.out == 12)
        assert session.limiter.registered["held"] == 12
        assert session.in_flight_on_disk() >= 12

        session.limiter.suggested = 3
        await session.goes_on_until(lambda: session.limiter.registered["held"] == 3)
        assert model.out == 12 and session.in_flight_on_disk() >= 12
        for left in range(11, 2, -1):
            model.release(1)
            await session.goes_on_until(lambda left=left: model.out == left)  # type: ignore[misc]
        answered = model.answered
        model.release(5)
        await session.goes_on_until(lambda: model.answered == answered + 5 and model.out == 3)

        session.limiter.suggested = 5
        await session.goes_on_until(lambda: model.out == 5)
        model.release(100)
        outcome = await running
    assert (outcome.answered, outcome.undone) == (30, 0)
    assert (model.most_out, model.cancelled, model.answered) == (12, 0, 30)


async def test_a_lane_is_never_wider_than_it_has_tasks(session: Session) -> None:
    session.settings = replace(session.settings, max_concurrent_per_model=20_000_000)
    models = (HeldModel("one"), HeldModel("two"))
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run(*models))
        await session.goes_on_until(lambda: any(model.out for model in models))
        assert session.limiter.registered == {"one": 30, "two": 30}
        assert session.in_flight_on_disk() == 60
        for model in models:
            model.release(100)
        await session.goes_on_until(lambda: all(model.answered == 30 for model in models))


async def test_a_number_keeps_lanes_as_wide_as_it_says(session: Session) -> None:
    session.limiter.suggested = 12
    models = (HeldModel("one"), HeldModel("two"))
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run(*models))
        await session.goes_on_until(lambda: models[0].out == models[1].out == 3)
        assert session.in_flight_on_disk() == 6
        session.clock.advance(5)
        for model in models:
            model.release(100)
    assert [model.most_out for model in models] == [3, 3]


@pytest.mark.parametrize("asked", [10, "auto"])
async def test_a_lane_is_never_wider_than_its_model_has_use_for(
    session: Session, asked: int | Literal["auto"]
) -> None:
    session.settings = replace(session.settings, max_concurrent_per_model=asked)
    session.limiter.suggested = 12
    model = HeldModel()
    model.most_at_once = 4
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run(model))
        await session.goes_on_until(lambda: model.out == 4)
        session.clock.advance(5)
        model.release(100)
    assert model.most_out == session.limiter.registered["held"] == 4


def test_a_gguf_file_has_use_for_as_many_calls_as_it_has_slots(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    file = tmp_path / "some.gguf"
    file.write_bytes(b"GGUF")
    config = ModelConfig(
        name="file",
        provider="local",
        api_key_env="",
        model_class="LocalModel",
        model_params={"gguf_path": str(file)},
    )
    assert make_model(config).most_at_once == SLOTS


async def test_two_rows_of_one_model_share_what_its_limits_have_use_for(session: Session) -> None:
    session.settings = replace(session.settings, max_concurrent_per_model="auto")
    session.limiter.suggested = 12
    one, two = HeldModel("one", api_id="same"), HeldModel("two", api_id="same")
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run(one, two))
        await session.goes_on_until(lambda: one.out == two.out == 6)
        assert session.limiter.registered["same"] == 12
        one.release(100)
        two.release(100)


async def test_what_the_limiter_learned_is_kept_and_given_to_the_next_run(session: Session) -> None:
    learned: dict[str, object] = {"version": 1, "keys": {"local@here": {"per_minute": 480.0}}}
    file = session.store.path / RATE_LIMITS_NAME
    session.limiter.learned = learned
    model = HeldModel()
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run(model))
        await session.goes_on_until(lambda: model.out == 3)
        assert not file.exists()
        session.clock.advance(31)
        await until(file.exists)
        assert json.loads(file.read_text()) == learned
        learned["version"] = 2
        model.release(100)
    assert json.loads(file.read_text()) == learned
    await session.run(model)
    file.write_text("{half a fi")
    await session.run(model)
    assert session.limiter.restored == [None, learned, None]


async def test_a_new_session_starts_with_what_others_learned_within_a_day(session: Session) -> None:
    now = session.clock.time()

    def learned(**hours_ago_by_key: float) -> dict[str, object]:
        keys = {key: {"learned_at": now - 3600 * h} for key, h in hours_ago_by_key.items()}
        return {"version": 1, "keys": keys}

    files = {
        "older": learned(a=5, b=2, passed_on=25, ahead=-99),
        "latest": learned(a=1, b=3),
        ".building": learned(a=0),
        "huge": {"version": 1, "keys": {"a": {"learned_at": now, "x": "x" * 1_000_000}}},
        "odd": {"version": 1, "keys": {"a": 7}},
    }
    for name, content in files.items():
        file = session.store.path.parent / name / RATE_LIMITS_NAME
        file.parent.mkdir()
        file.write_text(json.dumps(content))
    pipe = session.store.path.parent / "pipe"
    pipe.mkdir()
    os.mkfifo(pipe / RATE_LIMITS_NAME)
    model = HeldModel()
    model.release(100)
    await session.run(model)
    session.clock.advance(86_400 - 1800)
    await session.run(model)
    lately = {"a": {"learned_at": now - 3600}, "b": {"learned_at": now - 7200}}
    assert session.limiter.restored == [{"version": 1, "keys": lately}, None]


async def test_a_call_that_is_out_for_long_is_spoken_of_once(
    session: Session, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = HeldModel(timeout_seconds=300.0)
    logger = logging.getLogger("collector")
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    caplog.set_level(logging.INFO, "collector")  # with the lines of progress among the rest
    session.settings = replace(session.settings, max_concurrent_per_model=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run(model))
        await session.goes_on_until(lambda: model.out == 1)
        session.clock.advance(121)
        await session.goes_on_until(lambda: "given up" in caplog.text)
        for _ in range(10):
            session.clock.advance(10)
            await asyncio.sleep(0)
        model.release(100)
    (said,) = [message for message in caplog.messages if "given up" in message]
    assert said == "held, sums_1: still in flight after 121 s; it is given up after 300 s"


async def test_a_call_that_never_ends_is_given_up_with_its_task(session: Session) -> None:
    session.settings = replace(
        session.settings, task_timeout_seconds=0.05, max_concurrent_per_model=30
    )
    model = HeldModel()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(session.run(model))
        await session.goes_on_until(running.done)
    outcome = running.result()
    assert (outcome.failed, outcome.undone) == (30, 0)
    failure = json.loads((session.store.path / "failures.jsonl").read_text().splitlines()[0])
    assert failure["error"] == "TimedOut"
    assert failure["name"] and failure["problem"] and failure["requested_model"]


async def test_a_refused_extraction_key_costs_no_answer(session: Session) -> None:
    session.settings = replace(session.settings, max_concurrent_per_model=8)
    model = HeldModel(text=PROSE)
    extraction = RefusedModel("asked")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(session.run(model, extraction=extraction))
        await session.goes_on_until(lambda: model.out == 8)
        model.release(8)
        await until(lambda: extraction.out == 2)  # the ramp holds the other six at the gate
        extraction.release(1)
        # The six are called off, and their answers written by what the rules find.
        await session.goes_on_until(lambda: len(list(session.store.pending())) == 1)
        assert (model.out, extraction.out) == (8, 1)
        model.release(100)
        extraction.release(100)
        await session.goes_on_until(running.done)
    assert (running.result().answered, running.result().undone) == (30, 0)


async def test_a_slot_is_free_while_an_llm_reads_its_last_reply(session: Session) -> None:
    session.settings = replace(session.settings, max_concurrent_per_model=2)
    model, extraction = HeldModel(text=PROSE), HeldModel("asked")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(session.run(model, extraction=extraction))
        await session.goes_on_until(lambda: model.out == 2)
        assert session.in_flight_on_disk() >= 4  # two slots, and a question about a reply of each
        model.release(2)
        await session.goes_on_until(lambda: model.out == extraction.out == 2)
        model.release(2)
        await session.goes_on_until(lambda: len(list(session.store.pending())) == 4)
        for _ in range(20):
            session.clock.advance(0.01)
            await asyncio.sleep(0)
        assert (model.out, extraction.out) == (0, 2)  # an LLM that is slower sets the pace
        model.release(100)
        extraction.release(100)
        await session.goes_on_until(running.done)
    assert (running.result().answered, extraction.most_out, model.most_out) == (30, 2, 2)
    assert not list(session.store.pending())


async def test_workers_that_wait_for_an_llm_are_not_in_the_way_of_a_new_width(
    session: Session,
) -> None:
    session.settings = replace(session.settings, max_concurrent_per_model="auto")
    session.limiter.suggested = 12
    model, extraction = HeldModel(text=PROSE), HeldModel("asked")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(session.run(model, extraction=extraction))
        await session.goes_on_until(lambda: model.out == 12)
        session.limiter.suggested = 3
        await session.goes_on_until(lambda: session.limiter.registered["held"] == 3)
        model.release(12)
        await session.goes_on_until(lambda: extraction.out == 12 and model.out == 3)
        assert session.in_flight_on_disk() >= 12 + 3
        session.limiter.suggested = 5
        await session.goes_on_until(lambda: model.out == 5)
        assert session.in_flight_on_disk() >= 12 + 5
        extraction.release(100)
        model.release(100)
        await session.goes_on_until(running.done)
    assert (running.result().answered, running.result().undone) == (30, 0)


async def test_what_an_llm_read_is_not_paid_again_where_the_disk_was_full_for_a_moment(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.settings = replace(session.settings, max_concurrent_per_model=1)
    model, extraction = HeldModel(text=PROSE), HeldModel("asked", text=PROSE)
    model.release(100)
    append = session.store.append
    refused: list[str] = []

    def refuse_once(record: SolutionRecord) -> None:
        if not refused:
            refused.append(record.task_id)
            raise StoreError("no space")
        append(record)

    monkeypatch.setattr(session.store, "append", refuse_once)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(_refused(session.run(model, extraction=extraction)))
        await session.goes_on_until(lambda: extraction.out == 1)
        extraction.release(100)
        await session.goes_on_until(running.done)
    assert session.store.is_answered("held", (refused[0], 1))


async def _refused(run: Awaitable[object]) -> None:
    with pytest.raises(StoreError):
        await run


def test_auto_widths_never_come_to_more_calls_than_there_may_be_files(session: Session) -> None:
    session.limiter.suggested = 5000
    lanes = [
        Lane(
            model=model,
            scope=rate_scope(model),
            tasks=ModelTasks((), total=9999),
            clock=session.clock,
        )
        for model in (HeldModel("one"), HeldModel("two"))
    ]
    widths = LaneWidths("auto", lanes, None, session.limiter, most_calls=600)
    assert widths.wanted() == [300, 300]
    assert LaneWidths("auto", lanes, lanes[0], session.limiter, 600).wanted() == [150, 150]
