"""What the pages show, against the metrics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cotgap.benchmark.domain import reference
from cotgap.benchmark.metrics.core import PAIR, get_metric, metrics
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.report.bars import bounds, interval, mark, reach
from cotgap.benchmark.report.charts import COLOURS, figure, to_svg
from cotgap.benchmark.report.sections import index, ood, panels, revisions, tokens
from cotgap.benchmark.report.sections.core import sections
from cotgap.benchmark.report.source import Report, load_run
from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.audits import audits
from tests.benchmark.building import episode, random_run
from tests.report.folders import write_run

SUCCESS, GAP = get_metric("success"), get_metric("cot_gap")


def report(folder: Path, episodes: list[Episode], **options: int) -> Report:
    return Report((load_run(write_run(folder / "run", episodes, **options)),))


def with_kinds(episodes: list[Episode]) -> list[Episode]:
    kinds = ("fetch", "open")
    return [replace(e, task_kind=kinds[int(e.task_key.task[-1]) % 2]) for e in episodes]


def test_every_section_has_its_template() -> None:
    assert [s.name for s in sections()] == [
        "sweeps",
        "index",
        "panels",
        "ood",
        "revisions",
        "probes",
        "tokens",
        "episodes",
    ]
    folder = Path(panels.__file__).parents[1] / "templates"
    assert {f"{s.name}.html" for s in sections()} <= {path.name for path in folder.iterdir()}


def test_the_summary_shows_the_metrics(tmp_path: Path) -> None:
    episodes = random_run(1)
    built = index.build(report(tmp_path, episodes, extra_tasks=2))
    assert built is not None
    (row,) = built["rows"]
    gap = GAP.estimate(episodes, PAIR)
    assert gap is not None
    for shown in row.modes:
        expected = SUCCESS.estimate(episodes, (shown.mode,))
        assert expected is not None
        assert shown.value == show(expected.value, "rate")
        assert shown.interval == interval(expected, "rate")
        assert (shown.scored, shown.planned, shown.errors) == (24, 28, 0)
    assert [m.style for m in row.marks] == ["prompt", "cot"]
    (shown_gap,) = row.gaps
    assert shown_gap.title == "CoT gap"
    assert shown_gap.value == show(gap.value, "points")
    assert shown_gap.tasks == 12
    assert f"{100 * gap.mde:.1f} pp" in shown_gap.test
    assert not row.complete


def test_every_two_modes_have_their_gap(tmp_path: Path) -> None:
    episodes = [
        *random_run(1),
        *(replace(e, mode="mine") for e in random_run(1) if e.mode == "prompt"),
    ]
    made = report(tmp_path, with_kinds(episodes))
    (row,) = index.build(made)["rows"]
    assert [gap.title for gap in row.gaps] == [
        "CoT gap", "CoT gap, prompt → mine", "CoT gap, cot → mine",
    ]  # fmt: skip
    assert row.gaps[1].value == "+0.0 pp"
    (block,) = panels.build(made)["blocks"]
    assert block["pairs"] == ["prompt → cot", "prompt → mine", "cot → mine"]
    assert all(len(found.cells) == 3 for found in block["by_pair"])
    assert [len(kind.gaps) for kind in block["kinds"]] == [3, 3]
    (shown,) = revisions.build(made)["blocks"]
    assert shown["pair"] == "prompt → cot", "no other mode's decisions were recorded beside"


def test_a_mode_without_a_score_says_so(tmp_path: Path) -> None:
    built = index.build(
        report(tmp_path, [episode("a", "prompt"), episode("a", "cot", Status.ENV_ERROR)])
    )
    (row,) = built["rows"]
    assert [(m.mode, m.value, m.interval, m.errors) for m in row.modes] == [
        ("prompt", "100.0%", "20.7…100.0", 0),
        ("cot", "–", "no score", 1),
    ]
    assert row.gaps == []
    assert row.unpaired == 1


def test_bounds_are_the_audit() -> None:
    audit = audits()["toy/id"]
    found = {bound.name: bound for bound in bounds(audit)}
    assert set(found) == set(audit.agents)
    expert = audit.agents["expert"]
    assert found["expert"].at == pytest.approx(100 * expert.won / expert.n, abs=0.01)
    assert bounds(None) == []


def test_marks_lie_on_their_axis() -> None:
    estimate = Estimate(0.25, 0.1, 0.5, 8, "episodes", "Wilson")
    found = mark("cot", estimate, "rate")
    assert (found.low, found.at, found.high) == (10, 25, 50)
    assert found.text == "25.0% (10.0…50.0, n 8)"
    found = mark("gap", estimate, "points", reach=0.5)
    assert (found.low, found.at, found.high) == (60, 75, 100)
    open_ended = replace(estimate, low=None, high=None)
    found = mark("gap", open_ended, "points")
    assert (found.low, found.high) == (0, 100)
    assert "?…?" in found.text


def test_reach_holds_every_interval() -> None:
    def gap(low: float, high: float) -> Estimate:
        return Estimate((low + high) / 2, low, high, 8, "tasks", "Bonett-Price")

    assert reach([gap(-0.05, 0.1)]) == 0.1
    assert reach([gap(-0.05, 0.1), gap(-0.3, 0)]) == 0.5
    assert reach([gap(-0.9, 0)]) == 1.0


def test_task_types_add_up(tmp_path: Path) -> None:
    episodes = with_kinds(random_run(2))
    found = panels.kinds(episodes)
    assert [name for name, _, _ in found] == ["fetch", "open"]
    for name, rates, gaps in found:
        of_kind = [e for e in episodes if e.task_kind == name]
        assert gaps == {"prompt-cot": GAP.estimate(of_kind, PAIR)}
        for mode, rate in rates.items():
            won = [e.success for e in of_kind if e.mode == mode]
            assert rate.value == pytest.approx(sum(won) / len(won))
    for mode in ("prompt", "cot"):
        assert sum(rates[mode].n for _, rates, _ in found) == 24
    assert panels.kinds(random_run(2)) == []


def test_every_metric_is_on_the_panels_page(tmp_path: Path) -> None:
    made = report(tmp_path, random_run(1))
    (block,) = panels.build(made)["blocks"]
    titles = [row.title for row in (*block["by_mode"], *block["by_pair"])]
    (found,) = made.runs[0].summaries
    assert sorted(titles) == sorted(metrics()[name].title for name in found.metrics)


@pytest.mark.parametrize(
    ("panel", "expected"),
    [
        ("household/ood_layout", "household/id"),
        ("alfworld/paper_ood", "alfworld/paper_id"),
        ("alfworld/valid_unseen@older", "alfworld/valid_seen@older"),
        ("scienceworld/paper_ood@none", "scienceworld/paper_id@none"),
        ("bfcl/long_context:MathAPI", "bfcl/base:MathAPI"),
        ("household/never_was", ""),
        ("household/id", ""),
        ("bfcl/base", ""),
    ],
)
def test_reference(panel: str, expected: str) -> None:
    assert reference(panel) == expected


def test_ood_losses(tmp_path: Path) -> None:
    outcomes = {"id": (8, 10), "ood_layout": (3, 10)}
    episodes = [
        episode(f"t{n}", mode, Status.SUCCESS if n < won else Status.FAILURE, split=split)
        for split, (won, total) in outcomes.items()
        for mode in ("prompt", "cot")
        for n in range(total)
    ]
    made = report(tmp_path, episodes)
    inside, outside = made.runs[0].summaries
    losses = {c.what: c.loss for c in ood.contrasts(inside, outside)}
    assert set(losses) == {"success, prompt", "success, cot", "CoT gap"}
    assert losses["success, cot"].value == pytest.approx(0.5)
    assert losses["CoT gap"].value == 0
    (block,) = ood.build(made)["blocks"]
    assert block["inside"] == "toy/id"
    assert len(block["rows"]) == 3
    assert ood.build(report(tmp_path / "x", random_run(1))) is None


def test_newcombes_example() -> None:
    """Newcombe (1998), table II, method 10: 56/70 - 48/80 is 0.2, from 0.0524 to 0.3339."""
    first = intervals.rate([1] * 48 + [0] * 32, [1] * 80, "episodes")
    second = intervals.rate([1] * 56 + [0] * 14, [1] * 70, "episodes")
    found = intervals.independent_difference(first, second)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (
        pytest.approx(0.0524, abs=1e-4),
        pytest.approx(0.3339, abs=1e-4),
    )
    assert found.n == 150
    # The textbook's standard error, for a difference of rates this far from 0 and 1.
    assert found.mde == pytest.approx(2.8016 * (0.6 * 0.4 / 80 + 0.8 * 0.2 / 70) ** 0.5, rel=0.03)
    open_ended = intervals.independent_difference(replace(first, low=None), second)
    assert (open_ended.high, open_ended.mde) == (None, None)
    assert open_ended.low == found.low


def test_revisions_page(tmp_path: Path) -> None:
    made = report(tmp_path, random_run(4))
    (block,) = revisions.build(made)["blocks"]
    assert [share["name"] for share in block["shares"]] == ["helpful", "neutral", "harmful"]
    states = [int(n.replace(",", "")) for _, counts in block["flow"]["rows"] for n in counts]
    assert sum(states) == int(block["flow"]["states"].replace(",", ""))
    assert revisions.build(report(tmp_path / "x", [episode("a", "prompt")])) is None


def test_tokens_page(tmp_path: Path) -> None:
    made = report(tmp_path, random_run(4))
    found = {point.mode: point for point in tokens.points(made)}
    assert set(found) == {"prompt", "cot"}
    per_episode = [
        sum(s.decision.usage.completion_tokens for s in e.steps)
        for e in made.runs[0].episodes
        if e.mode == "cot"
    ]
    assert found["cot"].written.value == pytest.approx(sum(per_episode) / len(per_episode))
    built = tokens.build(made)
    assert built is not None
    assert built["uncounted"] == []


def test_charts_are_plain_elements_in_the_pages_colours() -> None:
    hostile = "</svg><script>$\\frac{</script>\u202e"
    drawings = []
    for _ in range(2):
        with figure(300, 200) as drawn:
            axes = drawn.subplots()
            axes.plot([0, 1], [0, 1], color=COLOURS["cot"])
            axes.set_title(hostile)
            drawings.append(to_svg(drawn, hostile))
    assert drawings[0] == drawings[1], "the same drawing gives the same text"
    root = ElementTree.fromstring(drawings[0])
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "path", "text", "defs", "use", "clipPath", "rect"}
    assert not any("style" in element.attrib for element in root.iter())
    assert "s-cot" in drawings[0]
    assert not any(colour in drawings[0] for colour in COLOURS.values())
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names))
    assert root.get("aria-label", "").startswith("</svg>")
