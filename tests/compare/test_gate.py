"""The three regions, several gates at once, and incomplete runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cotgap.benchmark.compare.comparison import Comparison, compare
from cotgap.benchmark.compare.gate import Verdict, Wanted, check_margin, overall
from cotgap.benchmark.compare.words import headline, sentence
from cotgap.benchmark.records.config import PanelPlan
from cotgap.benchmark.records.episode import Status
from cotgap.envs.core import CoTGapError, UnknownNameError
from tests.benchmark.building import episode, step, write_folder
from tests.compare.folders import config, outcomes

N = 200


def judged(
    tmp_path: Path, lost: int, won: int, margin: float, *gates: str, n: int = N, unscored: int = 0
) -> Comparison:
    """A baseline that wins half of n tasks; the candidate loses and wins so many of them."""
    half = n // 2
    a: list[int | None] = [1] * half + [0] * (n - half)
    b: list[int | None] = [0] * lost + [1] * (half - lost + won) + [0] * (n - half - won)
    b[n - unscored :] = [None] * unscored
    paths = [outcomes(tmp_path / name, {"prompt": runs}) for name, runs in (("a", a), ("b", b))]
    wanted = [Wanted.parse(gate) for gate in gates or ("success",)]
    return compare(*paths, gates=wanted, margin=margin)


@pytest.mark.parametrize(
    ("lost", "won", "margin", "verdict"),
    [
        (0, 0, 0.05, Verdict.NO_WORSE),
        (10, 12, 0.05, Verdict.NO_WORSE),
        (0, 30, 0.05, Verdict.NO_WORSE),
        (30, 2, 0.05, Verdict.WORSE),
        (10, 10, 0.02, Verdict.CANNOT_TELL),
        (30, 24, 0.05, Verdict.CANNOT_TELL),
        # Certainly lower, and certainly by less than the margin: what the margin allows.
        (8, 0, 0.1, Verdict.NO_WORSE),
        # Certainly lower, perhaps by less than the margin.
        (8, 0, 0.05, Verdict.WORSE),
    ],
)
def test_regions(tmp_path: Path, lost: int, won: int, margin: float, verdict: Verdict) -> None:
    found = judged(tmp_path, lost, won, margin)
    (gate,) = found.gates
    assert gate.verdict is verdict is found.verdict
    assert gate.difference == pytest.approx((won - lost) / N)
    assert gate.bound <= min(gate.difference, 0)
    assert (gate.bound > -margin) == (verdict is Verdict.NO_WORSE)
    assert verdict.value in sentence(gate)
    assert verdict.value in headline(found)


def test_cannot_tell_says_what_would(tmp_path: Path) -> None:
    (gate,) = judged(tmp_path, 10, 10, 0.02).gates
    assert gate.needed is not None
    assert gate.needed > N
    assert gate.resolvable is not None
    assert gate.resolvable > 0.02
    text = sentence(gate)
    assert f"About {gate.needed:,} tasks would tell" in text
    assert "The panel has 200" in text
    # Equal candidates would pass here; one that looks worse by nearly the margin takes more.
    (near,) = judged(tmp_path / "near", 30, 24, 0.08).gates
    assert near.verdict is Verdict.CANNOT_TELL
    assert (near.needed_as_seen or 0) > (near.needed or 0) > N
    (far,) = judged(tmp_path / "far", 14, 8, 0.02).gates
    assert far.verdict is Verdict.CANNOT_TELL
    assert far.needed_as_seen is None, "a loss of 3 points is not shown to be less than 2"


def test_not_significant_is_not_a_pass(tmp_path: Path) -> None:
    found = judged(tmp_path, 1, 0, 0.05, n=10)
    (gate,) = found.gates
    assert gate.p == 1
    assert gate.verdict is Verdict.CANNOT_TELL


def test_incomplete_runs_never_pass(tmp_path: Path) -> None:
    found = judged(tmp_path, 0, 20, 0.2, unscored=1)
    assert found.verdict is Verdict.INCOMPLETE
    assert found.gates[0].p_no_worse < 0.001
    assert not found.complete
    assert found.panels[0].pairs.lacking == (0, 1)


def test_a_run_without_any_score_is_incomplete(tmp_path: Path) -> None:
    n = 20
    a = outcomes(tmp_path / "a", {"prompt": [1] * n, "cot": [1] * n})
    b = outcomes(tmp_path / "b", {"prompt": [0] * n, "cot": [None] * n})
    gates = [Wanted("success"), Wanted("cot_gap")]
    found = compare(a, b, gates=gates, margin=0.1)
    assert [(gate.name, gate.verdict, gate.n) for gate in found.gates] == [
        ("success[prompt]", Verdict.INCOMPLETE, n),
        ("success[cot]", Verdict.INCOMPLETE, 0),
        ("cot_gap", Verdict.INCOMPLETE, 0),
    ]
    assert sentence(found.gates[1]) == "incomplete: no task has a score in both runs."
    nothing = outcomes(tmp_path / "nothing", {"prompt": [None] * n})
    assert compare(a, nothing, gates=gates[:1], margin=0.1).verdict is Verdict.INCOMPLETE


def test_scores_are_judged_as_shares_of_the_suite_s_range(tmp_path: Path) -> None:
    names = [f"{number:04d}" for number in range(200)]
    plan = PanelPlan("scienceworld/test", "lock", 100, 200, tuple(names))
    runs = []
    for place, points in enumerate((50.0, 48.0)):
        episodes = [episode(name, "prompt", Status.FAILURE, score=points) for name in names]
        keys = [replace(e.task_key, suite="scienceworld", split="test") for e in episodes]
        moved = [replace(e, task_key=key) for e, key in zip(episodes, keys, strict=True)]
        runs.append(
            write_folder(tmp_path / str(place), config(names, ["prompt"], panels=(plan,)), moved)
        )
    wide = compare(*runs, gates=[Wanted("score")], margin=0.05)
    assert wide.verdict is Verdict.NO_WORSE
    assert wide.gates[0].difference == pytest.approx(-0.02), "2 of 100 points"
    assert compare(*runs, gates=[Wanted("score")], margin=0.01).verdict is Verdict.WORSE
    (row,) = (d for d in wide.panels[0].differences if d.metric == "score")
    assert (row.first, row.second) == (50, 48)
    assert row.estimate.value == pytest.approx(-2)


def test_scores_that_say_what_success_does_are_judged_all_the_same(tmp_path: Path) -> None:
    for lost, verdict in ((0, Verdict.NO_WORSE), (30, Verdict.WORSE)):
        found = judged(tmp_path / str(lost), lost, 0, 0.05, "score")
        assert found.verdict is verdict
        assert not any(d.metric == "score" for d in found.panels[0].differences)


def test_a_gate_counts_once(tmp_path: Path) -> None:
    found = judged(tmp_path, 6, 0, 0.01, "success", "success:prompt", n=100)
    assert len(found.gates) == 1
    assert found.verdict is Verdict.WORSE, "p = 0.031; among two gates it would be twice that"


def test_all_gates_must_hold(tmp_path: Path) -> None:
    n = 100
    a = outcomes(tmp_path / "a", {"prompt": [1] * n, "cot": [1] * n})
    b = outcomes(tmp_path / "b", {"prompt": [1] * n, "cot": [0] * 30 + [1] * (n - 30)})
    gates = [Wanted.parse(gate) for gate in ("success", "cot_gap", "success:prompt")]
    found = compare(a, b, gates=gates, margin=0.1)
    verdicts = {gate.name: gate.verdict for gate in found.gates}
    assert verdicts["success[prompt]"] is Verdict.NO_WORSE
    assert verdicts["success[cot]"] is Verdict.WORSE
    assert verdicts["cot_gap"] is Verdict.WORSE
    (gap,) = (gate for gate in found.gates if gate.metric == "cot_gap")
    assert gap.difference == pytest.approx(-0.3)
    assert gap.bound < -0.3
    assert found.verdict is Verdict.WORSE
    assert "success[prompt]" not in headline(found)
    passed = found.gates[0]
    assert overall([passed]) is Verdict.NO_WORSE
    open_, unfinished = (
        replace(passed, verdict=v) for v in (Verdict.CANNOT_TELL, Verdict.INCOMPLETE)
    )
    assert overall([passed, open_]) is Verdict.CANNOT_TELL
    assert overall([passed, open_, unfinished]) is Verdict.INCOMPLETE
    assert overall([open_, unfinished, found.gates[1]]) is Verdict.WORSE


def test_many_gates_do_not_make_false_alarms(tmp_path: Path) -> None:
    """6 of 6 discordant tasks lost: p = 0.031, which is worse alone, and not among three."""
    n = 100
    modes = {"prompt": [1] * n, "cot": [1] * n}
    a = outcomes(tmp_path / "a", modes)
    b = outcomes(tmp_path / "b", {**modes, "cot": [0] * 6 + [1] * (n - 6)})
    alone = compare(a, b, gates=[Wanted("success", "cot")], margin=0.05)
    assert alone.verdict is Verdict.WORSE
    assert alone.gates[0].p == pytest.approx(2 / 2**6)
    among = compare(a, b, gates=[Wanted("success"), Wanted("cot_gap")], margin=0.05)
    assert among.verdict is Verdict.CANNOT_TELL, "three gates: Holm's p is three times as large"


def test_bad_gates(tmp_path: Path) -> None:
    for margin in (0, -1, 100, float("nan")):
        with pytest.raises(CoTGapError, match="--margin"):
            check_margin(margin)
    with pytest.raises(UnknownNameError, match=r"'stps'. Did you mean 'steps'"):
        Wanted.parse("stps")
    with pytest.raises(CoTGapError, match="neither more nor less of it is better"):
        Wanted.parse("revision")
    with pytest.raises(CoTGapError, match="passes no gate anyway"):
        Wanted.parse("unscored")
    for gate, error in (
        ("success:cot", "mode of gate"),
        ("cot_gap", "both modes"),
    ):
        with pytest.raises(CoTGapError, match=error):
            judged(tmp_path / gate.replace(":", "-"), 1, 1, 0.1, gate)


def amounts(folder: Path, steps: Sequence[int], tokens: int = 10) -> Path:
    """A run whose n-th episode, which is won, takes so many steps."""
    tasks = [f"{number:04d}" for number in range(len(steps))]
    episodes = [
        episode(task, "cot", steps=[step("cot", "go", tokens=tokens)] * count)
        for task, count in zip(tasks, steps, strict=True)
    ]
    return write_folder(folder, config(tasks, ["cot"]), episodes)


@pytest.mark.parametrize(
    ("more", "margin", "verdict"),
    [
        ([0, 1, -1, 0], 0.05, Verdict.NO_WORSE),
        ([-3, -2, -1, -4], 0.05, Verdict.NO_WORSE),
        ([3, 2, 1, 4], 0.05, Verdict.WORSE),
        ([3, 2, 1, 4], 0.5, Verdict.NO_WORSE),
        ([9, -9, 8, -7], 0.05, Verdict.CANNOT_TELL),
        ([0, 0, 0, 0], 0.05, Verdict.NO_WORSE),
        ([1, 1, 1, 1], 0.05, Verdict.WORSE),
    ],
)
def test_more_steps_are_worse(
    tmp_path: Path, more: list[int], margin: float, verdict: Verdict
) -> None:
    """Margins of steps are shares of the baseline's: 0.05 is half a step of 10."""
    base = [10 + n % 3 for n in range(80)]
    added = [more[n % 4] for n in range(80)]
    a = amounts(tmp_path / "a", base)
    b = amounts(tmp_path / "b", [x + y for x, y in zip(base, added, strict=True)])
    (gate,) = compare(a, b, gates=[Wanted("steps")], margin=margin).gates
    assert gate.verdict is verdict
    assert gate.relative
    assert not gate.higher
    assert gate.difference == pytest.approx(sum(added) / sum(base))
    assert gate.bound >= gate.difference - 1e-9
    assert (gate.bound < margin) == (verdict is Verdict.NO_WORSE)
    assert "at most" in sentence(gate)
    assert "% of the baseline" in sentence(gate) or verdict is Verdict.WORSE
    if verdict is Verdict.CANNOT_TELL:
        assert (gate.needed or 0) > gate.n
        assert (gate.resolvable or 0) > margin


def test_any_metric_with_a_direction_gates(tmp_path: Path) -> None:
    """Shares of episodes exactly, shares of steps by t; fewer are better."""
    n = 100
    statuses = {"a": [Status.FAILURE] * n, "b": [Status.TRUNCATED] * 40 + [Status.FAILURE] * 60}
    tasks = [f"{number:04d}" for number in range(n)]
    runs = []
    for name, ended in statuses.items():
        bad = n if name == "b" else 0
        episodes = [
            episode(
                task,
                "cot",
                status,
                [step("cot", "go"), step("cot", None if place % 2 and place < bad else "go")],
            )
            for place, (task, status) in enumerate(zip(tasks, ended, strict=True))
        ]
        runs.append(write_folder(tmp_path / name, config(tasks, ["cot"]), episodes))
    for name in ("truncated", "parse_errors"):
        (gate,) = compare(*runs, gates=[Wanted(name)], margin=0.1).gates
        assert gate.verdict is Verdict.WORSE
        assert gate.difference == pytest.approx({"truncated": 0.4, "parse_errors": 0.25}[name])
        (gate,) = compare(*runs[::-1], gates=[Wanted(name)], margin=0.1).gates
        assert gate.verdict is Verdict.NO_WORSE
    played = [outcomes(tmp_path / x, {"prompt": [1], "cot": [1]}) for x in "cd"]
    with pytest.raises(CoTGapError, match="It needs both modes' decisions"):
        compare(*played, gates=[Wanted("revision_helpful")], margin=0.1)
    spoken = [amounts(tmp_path / x, [2], tokens=t) for x, t in (("silent", 0), ("talks", 5))]
    with pytest.raises(CoTGapError, match="it is 0 in the baseline"):
        compare(*spoken, gates=[Wanted("tokens_out")], margin=0.1)
