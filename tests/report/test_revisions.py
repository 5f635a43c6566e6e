from __future__ import annotations

import pytest

from cotgap.benchmark.metrics.core import PAIR, get_metric
from cotgap.benchmark.records.episode import Status
from cotgap.benchmark.report.revisions import flow, judged, verdict
from tests.benchmark.building import episode, random_run, step

COSTS = {"state": 3, "prompt": 3, "cot": 2}


@pytest.mark.parametrize(
    ("prompt", "cot", "costs", "expected"),
    [
        ("a", "a", COSTS, "same"),
        ("a", "b", {"state": 3, "prompt": 3, "cot": 2}, "helpful"),
        ("a", "b", {"state": 3, "prompt": 2, "cot": 2}, "neutral"),
        ("a", "b", {"state": 3, "prompt": 2, "cot": None}, "harmful"),
        ("a", "b", {"state": 3, "prompt": None, "cot": 9}, "helpful"),
        ("a", "b", {}, "unjudged"),
        (None, "b", {"state": 3, "cot": 2}, None),
        ("a", None, {"state": 3, "prompt": 2}, None),
    ],
)
def test_verdict(
    prompt: str | None, cot: str | None, costs: dict[str, int | None], expected: str | None
) -> None:
    assert verdict(step("cot", cot, ("prompt", prompt), costs)) == expected


def test_no_verdict_without_a_shadow() -> None:
    assert verdict(step("cot", "a")) is None


def test_judged() -> None:
    seen = step("cot", "a", ("prompt", "b"), {"state": 3, "prompt": 3, "cot": 2})
    assert (judged(seen, "prompt"), judged(seen, "cot"), judged(seen, "other")) == (
        "wrong",
        "right",
        None,
    )
    lost = step("cot", "a", ("prompt", None), {"state": 3, "cot": None})
    assert (judged(lost, "prompt"), judged(lost, "cot")) == ("none", "wrong")
    hopeless = step("cot", "a", ("prompt", "b"), {"state": None, "prompt": None, "cot": None})
    assert judged(hopeless, "cot") is None
    assert judged(step("cot", "a", ("prompt", "b")), "cot") is None


def test_verdicts_count_what_the_metrics_count() -> None:
    episodes = random_run(3)
    seen = [verdict(s) for e in episodes if e.mode == "cot" for s in e.steps]
    comparable = [v for v in seen if v is not None]
    for name in ("helpful", "harmful", "neutral"):
        estimate = get_metric(f"revision_{name}").estimate(episodes, PAIR)
        assert estimate is not None
        assert estimate.n == len(comparable)
        assert estimate.value == pytest.approx(comparable.count(name) / len(comparable))
        assert 0 < estimate.value < 1


def test_flow_in_numbers() -> None:
    right, wrong = {"prompt": 2, "cot": 2}, {"prompt": 3, "cot": 4}

    def at(prompt: str | None, cot: str | None) -> dict[str, int | None]:
        costs: dict[str, int | None] = {"state": 3}
        for mode, how in (("prompt", prompt), ("cot", cot)):
            if how is not None:
                costs[mode] = right[mode] if how == "right" else wrong[mode]
        return costs

    def state(prompt: str | None, cot: str | None):  # type: ignore[no-untyped-def]
        return step("cot", cot and "x", ("prompt", prompt and "y"), at(prompt, cot))

    steps = (
        [state("right", "right")] * 4 + [state("right", "wrong")] + [state("wrong", "right")] * 2
    )
    steps += [state("wrong", "wrong"), state(None, "right"), step("cot", "a")]
    found = flow([episode("a", "cot", steps=steps), episode("a", "prompt", steps=steps)])
    assert found is not None
    assert found.counts == {
        ("right", "right"): 4,
        ("right", "wrong"): 1,
        ("wrong", "right"): 2,
        ("wrong", "wrong"): 1,
        ("none", "right"): 1,
    }
    assert found.states == 9
    assert found.first_right.value == pytest.approx(5 / 9)
    assert found.second_right.value == pytest.approx(7 / 9)
    assert found.repaired is not None
    assert found.broken is not None
    assert (found.repaired.value, found.repaired.n) == (pytest.approx(3 / 4), 4)
    assert (found.broken.value, found.broken.n) == (pytest.approx(1 / 5), 5)


def test_no_flow_without_costs_or_scores() -> None:
    assert flow([episode("a", "cot", steps=[step("cot", "a", ("prompt", "b"))])]) is None
    unscored = episode(
        "a", "cot", Status.TIMEOUT, steps=[step("cot", "a", ("prompt", "b"), dict(COSTS))]
    )
    assert flow([unscored]) is None
    assert flow([]) is None
