"""What the limiter learns from simulated providers, in virtual time, against its targets."""

import json

import pytest

from tests.support.simulated_provider import LIMIT_KINDS, LimitKind
from tests.support.simulated_run import TOKENS_PER_REQUEST, Scenario, simulate
from tests.support.slow import few


@pytest.mark.slow
@pytest.mark.parametrize("kind", LIMIT_KINDS)
def test_an_unknown_limit_is_learned_and_used(kind: LimitKind) -> None:
    outcome = simulate(Scenario(kind=kind, per_minute=120, minutes=25))

    assert outcome.use(600, 1500) >= 0.98
    assert outcome.refused_share(600, 1500) <= 0.005
    assert outcome.use(0, 600) >= 0.8
    assert outcome.converged_minute() <= 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", LIMIT_KINDS)
def test_a_slow_limit_that_counts_refused_calls_is_learned_too(kind: LimitKind) -> None:
    outcome = simulate(Scenario(kind=kind, per_minute=60, minutes=60, counts_refused=True))

    assert outcome.use(1800, 3600) >= 0.98
    assert outcome.refused_share(1800, 3600) <= 0.015
    assert outcome.use(0, 600) >= 0.8


@pytest.mark.parametrize("slots", [16, 200])
def test_many_workers_do_not_harm_a_slow_sliding_minute(slots: int) -> None:
    outcome = simulate(Scenario(kind="sliding minute", per_minute=60, minutes=10, slots=slots))

    assert outcome.use(0, 600) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_burst_that_exhausts_a_sliding_minute_at_once_tells_what_it_permits(seed: int) -> None:
    outcome = simulate(
        Scenario(kind="sliding minute", per_minute=900, minutes=10, slots=414, seed=seed)
    )

    assert outcome.use(0, 600) >= 0.95


@pytest.mark.parametrize("kind", LIMIT_KINDS)
def test_announced_limits_are_used_without_a_single_refusal(kind: LimitKind) -> None:
    outcome = simulate(Scenario(kind=kind, per_minute=500, minutes=3, headers=True))

    assert outcome.use(60, 180) >= 0.98
    assert sum(outcome.refused) == 0
    assert [change.state for change in outcome.changes] == ["announced"]


def test_a_bucket_of_one_request_is_not_overdrawn_when_its_limit_is_announced() -> None:
    outcome = simulate(Scenario(kind="bucket 1 s", per_minute=60, minutes=10, headers=True))

    assert sum(outcome.refused) == 0
    assert outcome.use(0, 600) >= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bucket 1 s", "fixed minute"])
@pytest.mark.parametrize("factor", few([0.5, 2.0], 1))
def test_a_limit_that_changes_is_found_within_ten_minutes(kind: LimitKind, factor: float) -> None:
    outcome = simulate(Scenario(kind=kind, per_minute=120, minutes=35, changes=[(900, factor)]))

    assert outcome.use(1500, 2100, factor) >= 0.9
    assert outcome.refused_share(1500, 2100) <= 0.015


@pytest.mark.slow
def test_a_limit_that_collapsed_for_a_while_is_used_again_within_the_hour() -> None:
    outcome = simulate(
        Scenario(per_minute=120, minutes=110, slots=20, changes=[(1200, 1 / 120), (2400, 120)])
    )

    assert outcome.use(6000, 6600) >= 0.8


@pytest.mark.parametrize("seconds", few([25, 5, 300], 1))
@pytest.mark.parametrize("at", few([0, 300], 1))
@pytest.mark.parametrize("kind", ["bucket 1 s", "sliding minute", None])
def test_an_outage_teaches_nothing(kind: LimitKind | None, at: int, seconds: int) -> None:
    end = at + seconds
    outcome = simulate(
        Scenario(
            kind=kind or "bucket 1 s",
            per_minute=300 if kind else 1e9,
            slots=50,
            outages=[(at, end)],
            minutes=(end + 240) / 60,
        )
    )
    possible = 300 / 60 if kind else 50 / 4.53
    for start, stop in ((end, end + 120), (end + 60, end + 240)):
        assert sum(outcome.admitted[start:stop]) >= 0.8 * (stop - start) * possible
    assert outcome.refused_share(end, end + 240) <= 0.03


@pytest.mark.parametrize("at", [0, 300])
def test_an_outage_teaches_nothing_of_calls_in_flight(at: int) -> None:
    end = at + 25
    outcome = simulate(
        Scenario(
            per_minute=1e9,
            slots=50,
            most_in_flight=25,
            outages=[(at, end)],
            minutes=(end + 120) / 60,
        )
    )

    assert sum(outcome.admitted[end + 60 : end + 120]) >= 0.8 * 60 * 25 / 4.53


@pytest.mark.slow
def test_a_token_limit_that_is_named_is_paced_in_tokens() -> None:
    outcome = simulate(
        Scenario(
            kind="fixed minute",
            per_minute=1000,
            tokens_per_minute=500 * TOKENS_PER_REQUEST,
            minutes=20,
            names_meter=True,
        )
    )

    assert outcome.use(600, 1200) >= 0.98
    assert outcome.refused_share(600, 1200) <= 0.005
    assert {change.scope.split()[-1] for change in outcome.changes} == {"tokens"}


def test_two_models_refused_together_share_the_keys_limit_fairly() -> None:
    outcome = simulate(Scenario(per_minute=200, models=2, shares_key=True, minutes=15))

    assert outcome.use(600, 900) >= 0.98
    assert min(outcome.by_model.values()) >= 0.98 * max(outcome.by_model.values())
    assert outcome.changes[-1].scope.split()[1:] == ["requests"]  # the key's, no model's


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_burst_of_one_models_refusals_does_not_hide_that_the_limit_is_the_keys(seed: int) -> None:
    outcome = simulate(
        Scenario(kind="fixed minute", models=2, shares_key=True, minutes=6, seed=seed)
    )

    assert min(outcome.by_model.values()) >= 0.98 * max(outcome.by_model.values())
    learned = {change.scope.split()[1] for change in outcome.changes if change.state == "holding"}
    assert learned == {"requests"}  # a model's own would have its name here


def test_models_that_are_refused_by_turns_keep_their_own_limits() -> None:
    outcome = simulate(Scenario(kind="fixed minute", per_minute=120, models=2, minutes=20))

    assert outcome.use(600, 1200) >= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("kind", LIMIT_KINDS)
@pytest.mark.parametrize("limits", [(200, 300), (100, 200, 400)])
def test_limits_of_their_own_that_are_met_together_are_told_from_one_of_the_key(
    kind: LimitKind, limits: tuple[int, ...]
) -> None:
    outcome = simulate(
        Scenario(
            kind=kind,
            per_minute=max(limits),
            models=len(limits),
            by_model_per_minute=limits,
            network_seconds=0.02,
            minutes=20,
        )
    )

    used = [outcome.by_model[f"model-{i}"] / (20 * limit) for i, limit in enumerate(limits)]
    assert min(used) >= 0.85
    assert outcome.use(600, 1200) >= 0.98
    assert outcome.refused_share(600, 1200) <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("seed", few(range(1, 5), 1))
@pytest.mark.parametrize("kind", LIMIT_KINDS)
def test_a_shared_limit_is_found_however_deep_its_bucket_is(kind: LimitKind, seed: int) -> None:
    outcome = simulate(
        Scenario(
            kind=kind,
            per_minute=200,
            models=2,
            shares_key=True,
            network_seconds=0.02,
            minutes=15,
            seed=seed,
        )
    )

    assert min(outcome.by_model.values()) >= 0.95 * max(outcome.by_model.values())
    assert outcome.use(300, 900) >= 0.98
    assert outcome.refused_share(300, 900) <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), [("bucket 1 s", 1), ("sliding minute", 4)])
def test_a_shared_limit_is_not_mistaken_for_the_models_own_in_hours(
    kind: LimitKind, seed: int
) -> None:
    outcome = simulate(
        Scenario(
            kind=kind,
            per_minute=120,
            models=2,
            shares_key=True,
            network_seconds=0.02,
            minutes=180,
            seed=seed,
        )
    )

    assert not [change for change in outcome.changes if "no limit of the key" in change.reason]
    assert outcome.use(600, 10_800) >= 0.98
    assert outcome.refused_share(600, 10_800) <= 0.005


def test_a_short_run_wastes_little_of_an_unknown_limit() -> None:
    outcome = simulate(Scenario(per_minute=1200, tasks=700, slots=200, minutes=5))

    assert 700 / 20 / outcome.last_admitted_at >= 0.85
    assert outcome.refused_share(0, 300) <= 0.05


@pytest.mark.parametrize(("slots", "headers"), [(3, False), (3, True), (100, False), (100, True)])
def test_a_run_that_meets_no_limit_is_hardly_slowed(slots: int, headers: bool) -> None:
    outcome = simulate(
        Scenario(
            per_minute=1e9,
            slots=slots,
            tasks=75 * slots,
            minutes=10,
            headers=headers,
            latency_spread=0,
        )
    )

    assert outcome.last_admitted_at + 4 <= 1.03 * 300
    assert sum(outcome.refused) == 0


def test_a_configured_bound_is_kept_and_learning_goes_on_below_it() -> None:
    free = simulate(Scenario(per_minute=1e9, slots=50, requests_per_minute=300, minutes=5))
    tighter = simulate(Scenario(per_minute=180, requests_per_minute=300, minutes=20))

    assert 0.98 * 1500 <= sum(free.admitted[:300]) <= 1500
    assert tighter.use(600, 1200) >= 0.98
    assert tighter.refused_share(600, 1200) <= 0.005


@pytest.mark.slow
@pytest.mark.parametrize("headers", [False, True])
def test_a_resume_starts_where_the_last_run_had_got_to(headers: bool) -> None:
    first = simulate(Scenario(minutes=8, headers=headers))
    kept = json.loads(json.dumps(first.snapshot))
    again = simulate(Scenario(minutes=3, seed=2, headers=headers, snapshot=kept))

    assert again.use(0, 60) >= 0.98
    assert again.refused_share(0, 180) <= 0.005


@pytest.mark.slow
def test_nothing_drifts_in_a_day() -> None:
    outcome = simulate(Scenario(kind="sliding minute", per_minute=60, minutes=24 * 60))

    assert outcome.use(23 * 3600, 24 * 3600) >= 0.98
    assert outcome.refused_share(23 * 3600, 24 * 3600) <= 0.005
