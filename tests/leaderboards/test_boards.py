"""Every board keeps its contract; tables hold what is comparable; ranks stand on metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import cotgap.leaderboards.boards
from cotgap.agents.core import NO_USAGE
from cotgap.benchmark.metrics.core import metrics
from cotgap.benchmark.metrics.summary import summarise
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.stats import intervals
from cotgap.envs.audits import audits
from cotgap.envs.core import UnknownNameError
from cotgap.leaderboards.boards.core import Board, boards, get_board
from cotgap.leaderboards.boards.efficiency import thinking
from cotgap.leaderboards.schema import Entry, SubmittedRun
from cotgap.leaderboards.settings import Played, played
from cotgap.leaderboards.tables import Contender, Filled, Table, fill
from tests.benchmark.building import episode, random_run, step
from tests.leaderboards.building import CARD, entry_of, moved, run_of, some_entry

ENTRIES = [
    some_entry("first", 1),
    some_entry("second", 2, tier="replayed"),
    some_entry("third", 3, tier="re-decoded"),
    some_entry("fourth", 4, tier="re-decoded"),
]


def everything(entries: Sequence[Entry]) -> list[Played]:
    return [one for entry in entries for one in played(entry)[0]]


def filled(name: str, *entries: Entry) -> Filled:
    return fill(get_board(name), everything(entries))


def results(wins: str, panel: str = "toy/id", modes: Sequence[str] = ("cot",)) -> list[Episode]:
    made = [
        episode(f"t{n}", mode, Status.SUCCESS if won == "1" else Status.FAILURE)
        for n, won in enumerate(wins)
        for mode in modes
    ]
    return moved(made, panel)


# Conformance: every board there is.


def test_every_file_is_a_board() -> None:
    folder = Path(cotgap.leaderboards.boards.__file__).parent
    assert set(boards()) == {path.stem for path in folder.glob("*.py")} - {"__init__", "core"}
    assert [b.order for b in boards().values()] == sorted({b.order for b in boards().values()})


def test_unknown_board_suggests() -> None:
    with pytest.raises(UnknownNameError, match="cot_gap"):
        get_board("cotgap")


@pytest.mark.parametrize("board", boards().values(), ids=lambda b: b.name)
class TestEveryBoard:
    def test_is_documented(self, board: Board) -> None:
        assert board.title
        assert board.doc.endswith(".")
        assert "anked by" in board.doc
        for part in board.parts(("cot", "mine", "prompt")):
            assert len(part) == {"mode": 1, "pair": 2}[board.scope]
            measures = board.measures(part)
            assert measures[0].by_task is not None, "the first measure orders and ranks"
            assert measures[0].direction in ("higher", "lower")
            assert len({m.name for m in measures}) == len(measures)
            for measure in measures:
                assert measure.doc.endswith(".")
                assert measure.by_task is None or measure.direction != "neutral"

    def test_nothing_fills_nothing(self, board: Board) -> None:
        found = fill(board, [])
        assert (found.tables, found.untold, found.entries) == ((), (), 0)

    def test_tables_are_sound(self, board: Board) -> None:
        found = fill(board, everything(ENTRIES))
        assert found.tables
        for table in found.tables:
            first = table.measures[0]
            values = [row.estimates[first.name].value for row in table.rows]
            assert values == sorted(values, reverse=first.direction == "higher")
            settings = {row.contender.here.setting for row in table.rows}
            assert settings == {table.setting}
            assert {(r.contender.inside or r.contender.here).setting for r in table.rows} == {
                table.inside or table.setting
            }
            for measure in table.measures:
                assert any(measure.name in row.estimates for row in table.rows)
                for row in table.rows:
                    ranked = measure.by_task is not None and measure.name in row.estimates
                    checked = not measure.counted or row.entry.tier == "re-decoded"
                    assert (measure.name in row.ranks) == (ranked and checked)

    def test_is_blind_to_order(self, board: Board) -> None:
        one, other = fill(board, everything(ENTRIES)), fill(board, everything(ENTRIES[::-1]))
        assert [shown(t) for t in one.tables] == [shown(t) for t in other.tables]

    def test_task_weights_add_up_to_the_number(self, board: Board) -> None:
        """What is compared task by task is the very quantity that the column shows."""
        for table in fill(board, everything(ENTRIES)).tables:
            for row in table.rows:
                for measure in table.measures:
                    if measure.by_task is None or measure.name not in row.estimates:
                        continue
                    weights = measure.by_task(row.contender).values()
                    total = sum(t for _, t in weights)
                    assert row.estimates[measure.name].value == pytest.approx(
                        float(sum(s for s, _ in weights) / total)
                    )

    def test_scripted_bounds_are_never_ranked(self, board: Board) -> None:
        agent = {"backend": "scripted", "policy": "random"}
        episodes = [*moved(random_run(9, repeats=1), "toy/id")]
        scripted = entry_of("chance", run_of(episodes, agent=agent), tier="replayed")
        found = fill(board, everything([*ENTRIES, scripted]))
        assert all(row.entry.slug != "chance" for table in found.tables for row in table.rows)
        beside = [b.name for t in found.tables for b in t.beside if b.entry is not None]
        assert beside == ["random"] * len(beside)
        if board.panels == "each":
            assert beside


def shown(table: Table) -> object:
    rows = [(r.entry.slug, r.estimates, r.ranks, r.remark) for r in table.rows]
    return table.setting, table.view, table.inside, table.axes, rows


def test_numbers_are_the_metrics() -> None:
    """A board shows what a run's summary shows."""
    for board in boards().values():
        for table in fill(board, everything(ENTRIES)).tables:
            for row in table.rows:
                (summary,) = summarise(row.contender.here.episodes)
                for measure in table.measures:
                    name = measure.name.removesuffix(f"_{table.view}")
                    if name in metrics() and measure.name in row.estimates:
                        assert row.estimates[measure.name] == summary.metrics[name][table.view]


# What is comparable.


def test_what_differs_is_another_table() -> None:
    base = results("1100")
    entries = [
        entry_of("a", run_of(base)),
        entry_of("lock", run_of(moved(base, "toy/id", "other"))),
        entry_of("panel", run_of(moved(base, "toy/ood_layout"))),
        entry_of("tasks", run_of(results("110"))),
        entry_of("steps", run_of(base, step_limit=30)),
        entry_of("protocol", run_of([replace(e, protocol="tags-1+admissible") for e in base])),
        entry_of("sampling", run_of(base, temperature=0.7)),
        entry_of("repeats", run_of([*base, *(replace(e, repeat=1) for e in base)])),
    ]
    found = filled("success", *entries)
    tables = [*found.tables, *found.apart]
    assert sorted(r.entry.slug for t in tables for r in t.rows) == sorted(e.slug for e in entries)
    assert all(len(table.rows) == 1 for table in tables)
    assert {r.entry.slug for t in found.apart for r in t.rows} == {"steps", "sampling", "repeats"}


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (run_of(results("10"), temperature=1e-9), "temperature 1e-09 with top-p 1"),
        (run_of(results("10"), temperature=1.0), "1 repeats, where 4 are standard"),
        (run_of(results("10"), size=200), "2 of 200 tasks"),
        (run_of(results("10"), step_limit=51), "51 steps"),
        (
            run_of([replace(e, protocol="tags-1+thoughts+admissible") for e in results("10")]),
            "the protocol tags-1+thoughts+admissible",
        ),
        (run_of(results("10", "toy/none")), "the panel toy/none or the protocol tags-1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "run",
)
def test_a_table_of_ones_own_has_no_ranks(run: SubmittedRun, reason: str) -> None:
    """Whoever is alone in a setting would be the first in it."""
    found = filled("success", entry_of("a", run_of(results("01"))), entry_of("own", run))
    assert [row.entry.slug for table in found.tables for row in table.rows] == ["a"]
    assert found.entries == 1
    (table,) = found.apart
    assert table.apart.startswith(reason)
    assert [(row.entry.slug, row.ranks) for row in table.rows] == [("own", {})]


def test_prefixes_that_everybody_plays_are_standard() -> None:
    tables = filled("success", entry_of("a", run_of(results("10" * 25), size=200))).tables
    assert [len(table.setting.tasks) for table in tables] == [50]


def test_who_played_on_what_divides_nothing() -> None:
    base = results("1100")
    entries = [
        entry_of("a", run_of(base, agent={"dtype": "float32", "backend": "transformers"})),
        entry_of(
            "b", run_of(base, agent={"dtype": "float16", "backend": "openai"}), tier="replayed"
        ),
    ]
    (table,) = filled("success", *entries).tables
    assert [row.contender.here.dtype for row in table.rows] == ["float32", "float16"]
    assert [row.entry.tier for row in table.rows] == ["self-reported", "replayed"]


def test_greedy_decoding_has_no_top_p() -> None:
    runs = [run_of(results("10")) for _ in range(2)]
    sampling = replace(runs[1].config.sampling, top_p=0.9)
    runs[1] = replace(runs[1], config=replace(runs[1].config, sampling=sampling))
    (table,) = filled("success", entry_of("a", runs[0]), entry_of("b", runs[1])).tables
    assert len(table.rows) == 2


def test_modes_of_two_runs_are_one_entry() -> None:
    runs = [run_of(results("1100", modes=[mode])) for mode in ("prompt", "cot")]
    (table,) = filled("cot_gap", entry_of("a", *runs)).tables
    assert table.rows[0].estimates["cot_gap"].n == 4


@pytest.mark.parametrize(
    ("episodes", "reason"),
    [
        (
            [*results("11"), *moved([episode("t2", "cot", Status.TIMEOUT)], "toy/id")],
            "incomplete: 2 of 3",
        ),
        ([*results("11"), *results("1")], "more than once"),
        (results("11") + [replace(e, repeat=3) for e in results("1")], "not planned"),
        (
            [replace(e, task_key=replace(e.task_key, seed=5)) for e in results("11")],
            "not planned",
        ),
    ],
)
def test_no_board_takes_what_is_not_whole(episodes: list[Episode], reason: str) -> None:
    run = run_of(episodes, repeats=1)
    taken, (left,) = played(entry_of("a", run))
    assert taken == []
    assert reason in left.reason


# Floor, ceiling, published.


def audited(entry: str = "") -> Table:
    audit = audits()["toy/id"]
    entries = [entry_of("a", run_of(moved(results("1100"), "toy/id", audit.lock)))]
    if entry:
        agent = {"backend": "scripted", "policy": "expert"}
        run = run_of(moved(results("1111"), "toy/id", audit.lock), agent=agent)
        entries.append(entry_of("e", run, tier=entry))  # type: ignore[arg-type]
    (table,) = filled("success", *entries).tables
    return table


def test_the_audit_stands_beside() -> None:
    audit, table = audits()["toy/id"], audited()
    found = {one.name: one.estimates["success_cot"] for one in table.beside}
    assert set(found) == {"expert", "random", "noop"}
    for name, own in found.items():
        assert (own.value, own.n) == (audit.agents[name].won / audit.agents[name].n, own.n)
    assert not any(b.name == "expert" and b.entry for b in table.beside)


def test_an_expert_that_was_checked_replaces_the_audits() -> None:
    def entered(tier: str) -> list[bool]:
        return [b.entry is not None for b in audited(tier).beside if b.name == "expert"]

    assert entered("re-decoded") == [True]
    for tier in ("self-reported", "replayed"):
        assert entered(tier) == [True, False], "nobody's word replaces what we played ourselves"


def test_no_audit_of_another_lock() -> None:
    (table,) = filled("success", entry_of("a", run_of(results("10")))).tables
    assert table.beside == ()


def test_published_numbers_stand_beside_whole_panels() -> None:
    episodes = results("10" * 67, panel="alfworld/valid_unseen")
    (table,) = filled("success", entry_of("a", run_of(episodes, size=134))).tables
    found = [one for one in table.beside if one.kind == "published"]
    assert {round(one.estimates["success_cot"].value, 3) for one in found} == {0.784, 0.709}
    assert all("https://" in one.origin for one in found)
    for other in (run_of(episodes, size=135), run_of(episodes, size=134, step_limit=40)):
        (table,) = filled("success", entry_of("a", other)).apart
        assert not any(one.kind == "published" for one in table.beside)


# In-domain and out of domain.


def ood_entry(slug: str, inside: str, outside: str, **options: object) -> Entry:
    episodes = [*results(inside), *results(outside, "toy/ood_layout")]
    return entry_of(slug, run_of(episodes), **{"card": CARD, **options})  # type: ignore[arg-type]


def test_the_card_decides_what_is_in_domain() -> None:
    found = filled("ood", ood_entry("a", "1110", "1000"))
    (table,) = found.tables
    assert (table.setting.panel, table.axes) == ("toy/ood_layout", ("layout",))
    assert table.inside is not None
    assert table.inside.panel == "toy/id"
    own = {m.title: table.rows[0].estimates[m.name] for m in table.measures}
    assert own["OOD success"].value == 0.25
    assert own["in-domain success"].value == 0.75
    assert own["OOD gap"].value == 0.5
    assert own["retention"].value == pytest.approx(1 / 3)
    assert found.untold == ()


@pytest.mark.parametrize(
    "card", [None, {}, {"trained_on": []}, {"trained_on": [{"x": 1}]}, {"a": 1}]
)
def test_without_a_card_nothing_is_told(card: dict[str, object] | None) -> None:
    found = filled("ood", ood_entry("a", "1110", "1000", card=card))
    assert found.tables == ()
    assert [entry.slug for entry in found.untold] == ["a"]


def test_a_suite_that_was_not_trained_on_has_no_inside() -> None:
    card = {"trained_on": [{**CARD["trained_on"][0], "suite": "household"}]}
    tables = filled("ood", ood_entry("a", "1110", "1000", card=card)).tables
    assert [(t.axes, t.inside, len(t.measures)) for t in tables] == [(("suite",), None, 1)] * 2


def test_what_was_trained_on_is_not_the_inside() -> None:
    """A panel whose very tasks were trained on says nothing of the domain."""
    card = {"trained_on": [{**CARD["trained_on"][0], "panel": "toy/id"}]}
    (table,) = filled("ood", ood_entry("a", "1110", "1000", card=card)).tables
    assert table.inside is None


def test_the_largest_in_domain_run_of_the_same_kind_is_the_inside() -> None:
    entry = ood_entry("a", "1" * 4, "0" * 4)
    own = entry.submission.runs
    few = run_of(results("0"))
    (table,) = filled("ood", entry_of("a", few, *own, card=CARD)).tables
    assert table.inside is not None
    assert len(table.inside.tasks) == 4
    hasty = run_of(results("0" * 6), step_limit=3)
    (table,) = filled("ood", entry_of("a", hasty, *own, card=CARD)).tables
    assert table.inside is not None
    assert (len(table.inside.tasks), table.inside.step_limit) == (
        4,
        own[0].config.panels[0].step_limit,
    )


def test_what_was_trained_on_is_not_held_out() -> None:
    facts = {**CARD["trained_on"][0], "panel": "toy/ood_layout", "kinds": []}
    tables = filled("ood", ood_entry("a", "11", "00", card={"trained_on": [facts]})).tables
    assert [table.setting.panel for table in tables] == ["toy/id"]


# Other modes.


def test_a_mode_of_ones_own_has_its_tables() -> None:
    entry = entry_of("a", run_of(results("1100", modes=("prompt", "cot", "mine"))))
    views = {name: [t.view for t in filled(name, entry).tables] for name in ("success", "cot_gap")}
    assert views == {
        "success": ["cot", "mine", "prompt"],
        "cot_gap": ["prompt-cot", "prompt-mine", "cot-mine"],
    }
    gap = filled("cot_gap", entry).tables[-1]
    assert [m.title for m in gap.measures][:3] == ["CoT gap", "success, cot", "success, mine"]
    assert set(gap.rows[0].ranks) == {"cot_gap"}


# Token limits.


def test_other_token_limits_make_another_table() -> None:
    """With one token for the prompt action, the CoT gap is what anybody likes."""
    runs = [run_of(results("10", modes=("prompt", "cot"))) for _ in range(2)]
    short = replace(runs[1].config, limits=Limits(action_tokens=1))
    entries = [entry_of("a", runs[0]), entry_of("b", replace(runs[1], config=short))]
    found = filled("cot_gap", *entries)
    tables = (*found.tables, *found.apart)
    assert [len(table.rows) for table in tables] == [1] * len(tables)
    assert {table.setting.action_tokens for table in found.tables} == {64}
    assert {table.setting.action_tokens for table in found.apart} == {1}


# Efficiency.


def spent(prompt: str, cot: str, tokens: tuple[int, int], spread: int = 1) -> Contender:
    made = [
        episode(
            f"t{n}",
            mode,
            Status.SUCCESS if won == "1" else Status.FAILURE,
            [step(mode, "go", tokens=count + n % (spread + 1))],
        )
        for mode, wins, count in (("prompt", prompt, tokens[0]), ("cot", cot, tokens[1]))
        for n, won in enumerate(wins)
    ]
    (one,) = everything([entry_of("a", run_of(moved(made, "toy/id")))])
    return Contender(one)


@pytest.mark.parametrize(
    ("prompt", "cot", "tokens", "expected"),
    [
        ("0" * 20, "1" * 20, (10, 100), "helpful"),
        ("1" * 20, "0" * 20, (10, 100), "harmful"),
        ("10" * 10, "10" * 10, (10, 100), "neutral"),
        ("0" * 20, "1" * 20, (100, 10), None),
        ("0" * 20, "1" * 20, (10, 10), None),
    ],
)
def test_where_thinking_pays(
    prompt: str, cot: str, tokens: tuple[int, int], expected: str | None
) -> None:
    contender = spent(prompt, cot, tokens)
    remark = thinking(contender, ("cot",))
    assert (remark.style if remark else None) == expected
    assert thinking(contender, ("prompt",)) is None


def test_agents_without_token_counts_are_not_on_it() -> None:
    bare = [
        replace(
            e,
            steps=tuple(replace(s, decision=replace(s.decision, usage=NO_USAGE)) for s in e.steps),
        )
        for e in results("1100", modes=("prompt", "cot"))
    ]
    assert filled("efficiency", entry_of("a", run_of(bare))).tables == ()


def test_no_empty_column() -> None:
    (table,) = filled("success", entry_of("a", run_of(results("1100")))).tables
    assert "pass_hat_k_cot" not in {measure.name for measure in table.measures}
    assert "conflict" in get_board("revision").doc


def test_the_ratio_of_two_panels() -> None:
    inside = intervals.rate([1] * 30 + [0] * 10, [1] * 40, "episodes")
    outside = intervals.rate([1] * 12 + [0] * 28, [1] * 40, "episodes")
    found = intervals.independent_ratio(inside, outside)
    assert found is not None
    assert found.value == pytest.approx(0.4)
    assert found.low is not None
    assert found.high is not None
    assert 0.2 < found.low < 0.4 < found.high < 0.7
    nothing = intervals.rate([0] * 40, [1] * 40, "episodes")
    assert intervals.independent_ratio(nothing, outside) is None
    lost = intervals.independent_ratio(inside, nothing)
    assert lost is not None
    assert (lost.value, lost.low) == (0, 0)
    rare = intervals.rate([1] + [0] * 3, [1] * 4, "episodes")
    assert intervals.independent_ratio(replace(rare, low=0.0), outside).high is None  # type: ignore[union-attr]
