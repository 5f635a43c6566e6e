"""Every metric keeps its contract, and each counts what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import pytest

import cotgap.benchmark.metrics
from cotgap.benchmark.metrics.core import (
    NEEDS,
    PAIR,
    Metric,
    Unit,
    get_metric,
    metrics,
    pairs,
)
from cotgap.benchmark.metrics.summary import summarise
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.core import CoTGapError, UnknownNameError
from tests.benchmark.building import decision, episode, random_run, step

BROKEN = (Status.ENV_ERROR, Status.BACKEND_ERROR, Status.TIMEOUT)


def compute(metric: Metric | str, episodes: Sequence[Episode]) -> Estimate | None:
    """The metric of mode cot, or of cot against prompt."""
    metric = get_metric(metric) if isinstance(metric, str) else metric
    return metric.estimate(episodes, PAIR if metric.scope == "pair" else ("cot",))


def measure(name: str, episodes: Sequence[Episode]) -> Estimate:
    estimate = compute(name, episodes)
    assert estimate is not None
    return estimate


# Conformance: every metric there is.


def test_every_file_is_a_metric() -> None:
    folder = Path(cotgap.benchmark.metrics.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "core", "kinds", "summary"}
    assert set(metrics()) == files
    assert [m.order for m in metrics().values()] == sorted({m.order for m in metrics().values()})


def test_unknown_metric_suggests() -> None:
    with pytest.raises(UnknownNameError, match="revision"):
        get_metric("revisions")


@pytest.mark.parametrize("metric", metrics().values(), ids=lambda m: m.name)
class TestEveryMetric:
    def test_is_documented(self, metric: Metric) -> None:
        assert get_metric(metric.name) is metric
        assert metric.title
        assert metric.doc.endswith(".")
        assert metric.unit in get_args(Unit)
        assert metric.direction in ("higher", "lower", "neutral")
        assert metric.scope in ("mode", "pair")
        assert set(metric.needs) <= set(NEEDS)

    def test_nothing_gives_none(self, metric: Metric) -> None:
        assert compute(metric, []) is None

    def test_only_errors_give_none(self, metric: Metric) -> None:
        broken = [replace(e, status=Status.TIMEOUT, score=None) for e in random_run(0)]
        assert (compute(metric, broken) is None) == (metric.unit != "count")

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("repeats", [1, 3])
    def test_estimate_is_sound(self, metric: Metric, seed: int, repeats: int) -> None:
        episodes = random_run(seed, repeats=repeats)
        estimate = compute(metric, episodes)
        if estimate is None:
            assert repeats == 1
            assert "repeats" in metric.needs
            return
        assert estimate.n > 0
        assert estimate.unit
        assert estimate.method
        if metric.unit == "count":
            assert (estimate.low, estimate.high) == (None, None)
        else:
            assert estimate.low is None or estimate.low <= estimate.value
            assert estimate.high is None or estimate.value <= estimate.high
            assert (estimate.low, estimate.high) != (None, None)
        if metric.unit == "rate":
            assert estimate.low is not None
            assert estimate.high is not None
            assert 0 <= estimate.low < estimate.high <= 1

    def test_is_pure_and_blind_to_order(self, metric: Metric) -> None:
        episodes = random_run(1, repeats=3)
        before = [e.to_json() for e in episodes]
        first = compute(metric, episodes)
        assert compute(metric, episodes) == first
        assert compute(metric, episodes[::-1]) == first
        assert compute(metric, episodes[7:] + episodes[:7]) == first
        assert [e.to_json() for e in episodes] == before

    def test_errors_change_nothing(self, metric: Metric) -> None:
        episodes = random_run(2)
        errors = [
            replace(e, repeat=5 + i, status=status, score=None)
            for i, status in enumerate(BROKEN)
            for e in random_run(3, repeats=1)
        ]
        alone = compute(metric, episodes)
        mixed = compute(metric, [*errors, *episodes])
        if metric.unit == "count":
            assert mixed is not None
            assert mixed.value == len([e for e in errors if e.mode == "cot"])
        else:
            assert mixed == alone

    def test_survives_json(self, metric: Metric) -> None:
        estimate = compute(metric, random_run(4))
        assert estimate is not None
        text = json.dumps(asdict(estimate), allow_nan=False)
        assert Estimate(**json.loads(text)) == estimate

    def test_survives_records_on_disk(self, metric: Metric) -> None:
        episodes = random_run(5)
        again = [Episode.from_json(json.loads(json.dumps(e.to_json()))) for e in episodes]
        assert compute(metric, again) == compute(metric, episodes)

    def test_two_runs_differ_by_what_their_levels_do(self, metric: Metric) -> None:
        part = PAIR if metric.scope == "pair" else ("cot",)
        one, two = (metric.counts(random_run(seed, repeats=2), part) for seed in (6, 7))
        first, second = metric.shared(one, two)
        there, back = metric.difference(first, second), metric.difference(second, first)
        if metric.unit == "count":
            assert there is None
            return
        assert there is not None
        assert back is not None
        assert there.value == pytest.approx(metric.level(second) - metric.level(first))
        assert there.value == pytest.approx(-back.value)
        assert (there.low, there.high) == pytest.approx((-back.high, -back.low))  # type: ignore[operator]
        assert there.low <= there.value <= there.high  # type: ignore[operator]
        same = metric.difference(first, first)
        assert same is not None
        assert (same.value, same.p) == (0, 1)

    def test_tasks_make_up_the_number(self, metric: Metric) -> None:
        """What agents are ranked by, and what a trend is made of."""
        part = PAIR if metric.scope == "pair" else ("cot",)
        counts = metric.counts(random_run(8, repeats=2), part)
        estimate = metric.estimate(random_run(8, repeats=2), part)
        assert estimate is not None
        if metric.unit != "count":
            sums = [sum(column) for column in zip(*counts.values(), strict=True)]
            assert estimate.value == pytest.approx(float(sums[0] / sums[1]))
        values = list(metric.values(counts).values())
        assert metric.rise(values, values).value == 0


# What each counts, on cases small enough to count by hand.


def test_success_of_one_repeat_is_wilson() -> None:
    episodes = [
        episode("a", "cot"),
        episode("b", "cot", Status.FAILURE),
        episode("c", "cot", Status.TRUNCATED),
        episode("d", "cot", Status.ENV_ERROR),
    ]
    found = measure("success", episodes)
    assert (found.value, found.n, found.method, found.clusters) == (1 / 3, 3, "Wilson", None)
    assert found.mde is not None
    assert measure("truncated", episodes).value == 1 / 3
    assert measure("unscored", episodes).value == 1
    assert measure("unscored", episodes).n == 4


def test_success_with_repeats_counts_tasks() -> None:
    episodes = [
        episode(task, "cot", Status.SUCCESS if wins else Status.FAILURE, repeat=repeat)
        for task, wins in (("a", True), ("b", False), ("c", True), ("d", False))
        for repeat in range(3)
    ]
    found = measure("success", episodes)
    assert (found.value, found.n, found.clusters) == (0.5, 12, 4)
    once = measure("success", [e for e in episodes if e.repeat == 0])
    assert (found.low, found.high) == (once.low, once.high)  # deterministic repeats teach nothing


def test_score_is_the_mean() -> None:
    episodes = [episode(str(i), "cot", score=s) for i, s in enumerate((0.0, 0.5, 1.0, 0.5))]
    assert measure("score", episodes).value == 0.5


def test_score_that_is_the_success_is_left_out() -> None:
    outcomes = (Status.SUCCESS, Status.FAILURE, Status.TRUNCATED)
    episodes = [episode(str(i), "cot", status) for i, status in enumerate(outcomes)]
    assert not get_metric("score").applies(episodes)
    assert "score" not in summarise(episodes)[0].metrics
    partial = [*episodes, episode("9", "cot", score=0.5)]
    assert set(summarise(partial)[0].metrics["score"]) == {e.mode for e in partial}


def test_score_must_be_in_the_record() -> None:
    episodes = [episode("a", "cot", score=0.5)]
    with pytest.raises(ValueError, match="has no score"):
        measure("score", [replace(episodes[0], score=None)])


def scored_in(suite: str, *scores: float, won: Sequence[int] = ()) -> list[Episode]:
    made = [
        episode(str(n), "cot", Status.SUCCESS if n in won else Status.FAILURE, score=score)
        for n, score in enumerate(scores)
    ]
    return [replace(e, task_key=replace(e.task_key, suite=suite, split="test")) for e in made]


def test_score_stays_in_the_suite_s_range() -> None:
    found = measure("score", scored_in("scienceworld", 0, 100, 100, 90))
    assert (found.value, found.high) == (72.5, 100)
    assert found.low is not None
    assert found.low >= 0
    few = measure("score", scored_in("toy", 0, 0.5))
    assert (few.low, few.high) == (0, 1)
    gone = measure("score", scored_in("gone", 0, 0.5))
    assert gone.high is not None
    assert gone.high > 1, "nothing is known of the range of a suite that is not here"


def test_score_says_more_against_the_range_only() -> None:
    """100 of 100 points for a success and 0 for a failure say what the success rate says."""
    applies = get_metric("score").applies
    assert not applies(scored_in("scienceworld", 0, 100, won=[1]))
    assert applies(scored_in("scienceworld", 1, 100, won=[1]))
    assert applies(scored_in("toy", 0, 100, won=[1]))


def test_pass_hat_k_of_other_k_is_not_compared() -> None:
    metric = get_metric("pass_hat_k")
    one, two = (metric.counts(random_run(1, repeats=k), ("cot",)) for k in (2, 3))
    assert metric.difference(*metric.shared(one, two)) is None


def test_pass_hat_k() -> None:
    outcomes = {"a": "111", "b": "110", "c": "000", "d": "11"}
    episodes = [
        episode(task, "cot", Status.SUCCESS if won == "1" else Status.FAILURE, repeat=i)
        for task, wins in outcomes.items()
        for i, won in enumerate(wins)
    ]
    found = measure("pass_hat_k", episodes)
    assert found.value == 1 / 3
    assert found.n == 3
    assert found.counts == {"k": 3, "left_out": 1}


def gap_run(prompt: str, cot: str) -> list[Episode]:
    """One task per character: 1 success, 0 failure, x unscored, . not played."""
    status = {"1": Status.SUCCESS, "0": Status.FAILURE, "x": Status.BACKEND_ERROR}
    return [
        episode(str(i), mode, status[mark])
        for mode, marks in (("prompt", prompt), ("cot", cot))
        for i, mark in enumerate(marks)
        if mark != "."
    ]


def test_gap_is_paired_by_task() -> None:
    found = measure("cot_gap", gap_run("1100000x1", "0111111.x"))
    assert found.n == 7
    assert found.value == pytest.approx(4 / 7)
    assert found.counts == {"higher": 5, "lower": 1, "equal": 1}
    assert found.p == pytest.approx(2 * 7 / 64)  # exact McNemar, 5 against 1


def test_gap_averages_repeats() -> None:
    episodes = gap_run("0000", "1100")
    episodes += [replace(e, repeat=1, status=Status.FAILURE) for e in gap_run("0000", "0000")]
    found = measure("cot_gap", episodes)
    assert (found.n, found.value) == (4, 0.25)
    assert found.p == 0.5  # two of four sign patterns are as far from 0


def test_gap_needs_both_modes() -> None:
    assert compute("cot_gap", gap_run("1010", "")) is None
    assert compute("cot_gap", gap_run("11..", "..11")) is None


def test_headroom() -> None:
    found = measure("cot_gap_headroom", gap_run("11000000", "11110000"))
    assert found.value == pytest.approx(2 / 6)
    assert compute("cot_gap_headroom", gap_run("1111", "0111")) is None


def test_revisions() -> None:
    states = [  # (CoT action, prompt action, cost after CoT, cost after prompt)
        ("east", "west", 2, 4),  # helpful
        ("east", "west", 4, 2),  # harmful
        ("east", "west", None, 9),  # harmful: no way left
        ("east", "west", 3, 3),  # neutral
        ("east", "west", None, None),  # neutral
        ("east", "east", 2, 2),
        ("east", "east", 2, 2),
        ("east", "east", 2, 2),
        (None, "west", None, 2),  # not comparable
        ("east", None, 2, None),  # not comparable
    ]
    steps = [
        step("cot", cot, ("prompt", prompt), {"state": 3, "cot": after, "prompt": before})
        for cot, prompt, after, before in states
    ]
    unshadowed = step("cot", "east")
    episodes = [
        episode("a", "cot", steps=steps[:5]),
        episode("b", "cot", steps=[*steps[5:], unshadowed]),
        episode("a", "prompt", steps=[step("prompt", "west", ("cot", "east"))]),
    ]
    found = measure("revision", episodes)
    assert (found.value, found.n, found.clusters, found.unit) == (5 / 8, 8, 2, "states")
    assert measure("revision_helpful", episodes).value == 1 / 8
    assert measure("revision_harmful", episodes).value == 2 / 8
    assert measure("revision_neutral", episodes).value == 2 / 8

    without_oracle = [
        replace(e, steps=tuple(replace(s, cost_to_go={}) for s in e.steps)) for e in episodes
    ]
    assert measure("revision", without_oracle) == found
    assert compute("revision_helpful", without_oracle) is None


def test_revision_compares_normal_forms() -> None:
    same = replace(
        step("cot", "put mug 1 in/on desk 2", ("prompt", "Put mug 1 in/on desk 2")),
        canonical={"cot": "put mug 1 in/on desk 2", "prompt": "put mug 1 in/on desk 2"},
    )
    assert measure("revision", [episode("a", "cot", steps=[same])]).value == 0


def test_steps_errors_and_tokens() -> None:
    steps = [
        step("cot", "go", ("prompt", "go"), tokens=3),
        step("cot", None, tokens=5),
        step("cot", "fly", valid=False, tokens=1),
        step("cot", "go", ("prompt", None), tokens=1),
    ]
    episodes = [episode("a", "cot", steps=steps), episode("b", "cot", steps=steps[:2])]
    assert measure("parse_errors", episodes).value == 2 / 6
    assert measure("invalid_actions", episodes).value == 1 / 6
    assert measure("steps", episodes).value == 3
    assert measure("tokens_out", episodes).value == (10 + 8) / 2
    assert measure("tokens_in", episodes).value == (100 + 80) / 2


def test_uncounted_tokens_give_none() -> None:
    episodes = [episode("a", "cot", steps=[step("cot", "go", tokens=0)])]
    assert compute("tokens_in", episodes) is None
    assert compute("tokens_out", episodes) is None


def test_episode_won_at_the_start_has_no_steps() -> None:
    episodes = [episode("a", "cot", steps=[])]
    assert measure("success", episodes).value == 1
    assert compute("parse_errors", episodes) is None
    assert measure("steps", episodes).value == 0


def test_successes_per_1000_tokens() -> None:
    """Two successes in 400 tokens, whichever episode wrote them; shadows are not counted."""
    episodes = [
        episode("a", "cot", steps=[step("cot", "go", ("prompt", "go"), tokens=100)] * 2),
        episode("b", "cot", Status.FAILURE, [step("cot", "go", tokens=150)]),
        episode("c", "cot", steps=[step("cot", "go", tokens=50)]),
        episode("d", "cot", Status.TIMEOUT, [step("cot", "go", tokens=999)]),
    ]
    found = measure("success_per_1000_tokens", episodes)
    assert (found.value, found.n, found.clusters) == (5, 400, 3)
    assert found.low == 0
    assert found.high is not None
    free = [episode("a", "cot", steps=[step("cot", "go", tokens=0)])]
    assert compute("success_per_1000_tokens", free) is None


# The summary.


def test_summary_separates_what_is_not_comparable() -> None:
    episodes = [
        episode("a", "cot"),
        episode("a", "cot", lock="other"),
        episode("a", "cot", split="ood"),
        episode("a", "cot", protocol="tags-1+admissible"),
        episode("a", "cot", fingerprint="another"),
    ]
    groups = summarise(episodes)
    assert len(groups) == 5
    assert len({(g.panel, g.lock, g.protocol, g.fingerprint) for g in groups}) == 5
    assert {g.panel for g in groups} == {"toy/id", "toy/ood"}
    assert summarise(episodes[::-1]) == groups
    assert summarise([]) == []


def test_summary_counts_what_is_missing() -> None:
    (group,) = summarise(gap_run("1100000x1", "0111111.x"))
    assert (group.paired_tasks, group.unpaired_tasks) == (7, 2)
    assert group.modes["prompt"].statuses == {"backend_error": 1, "failure": 5, "success": 3}
    assert (group.modes["prompt"].scored, group.modes["prompt"].unscored) == (8, 1)
    assert (group.modes["cot"].tasks, group.modes["cot"].repeats) == (8, 1)
    assert not group.complete
    assert group.metrics["unscored"]["cot"].value == 1
    assert group.metrics["cot_gap"]["prompt-cot"].n == 7


def test_summary_of_one_mode() -> None:
    (group,) = summarise([episode("a", "prompt"), episode("b", "prompt", Status.FAILURE)])
    assert list(group.modes) == ["prompt"]
    assert (group.paired_tasks, group.unpaired_tasks) == (0, 0)
    assert group.complete
    assert set(group.metrics["success"]) == {"prompt"}
    assert "cot_gap" not in group.metrics
    assert "revision" not in group.metrics


def test_summary_agrees_with_the_metrics_and_is_json() -> None:
    episodes = random_run(0, repeats=3)
    (group,) = summarise(episodes)
    for name, parts in group.metrics.items():
        for part, estimate in parts.items():
            assert get_metric(name).estimate(episodes, tuple(part.split("-"))) == estimate
    assert list(group.metrics) == list(metrics())
    data = json.loads(json.dumps(group.to_json(), allow_nan=False))
    assert data["metrics"]["cot_gap"]["prompt-cot"]["n"] == 12
    assert data["complete"] is True


def test_summary_refuses_an_episode_twice() -> None:
    with pytest.raises(CoTGapError, match=r"toy/id/a#0 in mode 'cot', repeat 0, occurs 2 times"):
        summarise([episode("a", "cot"), episode("a", "cot", Status.FAILURE)])


# Any two modes.


def three_modes() -> list[Episode]:
    """`mine` wins what `prompt` and `cot` lose; every mode records those before it."""
    won = {"prompt": "1000", "cot": "1100", "mine": "1111"}
    shadows = {"prompt": (), "cot": ("prompt",), "mine": ("prompt", "cot")}
    acts = {"prompt": "wait", "cot": "wait", "mine": "go"}
    made = []
    for mode, wins in won.items():
        for n, mark in enumerate(wins):
            one = step(mode, acts[mode], costs={"state": 3, "prompt": 3, "cot": 3, "mine": 2})
            decisions = {other: decision(other, acts[other]) for other in shadows[mode]}
            forms = {other: acts[other] for other in (mode, *shadows[mode])}
            steps = [replace(one, shadows=decisions, canonical=forms)]
            status = Status.SUCCESS if mark == "1" else Status.FAILURE
            made.append(episode(str(n), mode, status, steps))
    return made


def test_every_two_modes_have_their_gap_and_revisions() -> None:
    (group,) = summarise(three_modes(), ("prompt", "cot", "mine"))
    assert group.pairs == ["prompt-cot", "prompt-mine", "cot-mine"]
    gaps = {pair: found.value for pair, found in group.metrics["cot_gap"].items()}
    assert gaps == {"prompt-cot": 0.25, "prompt-mine": 0.75, "cot-mine": 0.5}
    revised = {pair: found.value for pair, found in group.metrics["revision"].items()}
    assert revised == {"prompt-cot": 0, "prompt-mine": 1, "cot-mine": 1}
    helped = {pair: found.value for pair, found in group.metrics["revision_helpful"].items()}
    assert helped == revised
    assert (group.paired_tasks, group.unpaired_tasks) == (4, 0)


def test_pairs_are_in_the_order_of_the_run() -> None:
    assert pairs(("prompt", "mine", "cot")) == [
        ("prompt", "mine"), ("prompt", "cot"), ("mine", "cot"),
    ]  # fmt: skip
    assert pairs(("cot", "prompt")) == [("prompt", "cot")]
    (group,) = summarise(three_modes(), ("prompt", "mine", "cot"))
    assert group.metrics["cot_gap"]["mine-cot"].value == -0.5
    assert "mine-cot" not in group.metrics["revision"], "cot recorded no decision of mine"
