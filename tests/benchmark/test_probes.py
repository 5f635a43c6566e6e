"""Probes count rightly: agents that follow a known rule give the rates that the rule says."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.core import BackendError, Completion, Request
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.protocol import PromptProtocol
from cotgap.agents.specs import make_agent
from cotgap.benchmark.probes import conflict
from cotgap.benchmark.probes.core import Figure, check_environment, get_probe
from cotgap.benchmark.probes.driving import TaskRecord, VisitRollout
from cotgap.benchmark.probes.running import (
    TASKS,
    PanelFigures,
    ProbeConfig,
    ProbeResult,
    Watch,
    load,
    run_probe,
)
from cotgap.benchmark.probes.states import Here, Visit
from cotgap.benchmark.probes.words import filler, paraphrase, shuffled
from cotgap.benchmark.records.config import Limits, plan_panel
from cotgap.benchmark.rollout.engines.local import LocalSite
from cotgap.benchmark.rollout.scheduler import Scheduler
from cotgap.envs.core import CoTGapError, Snapshots, TaskKey
from cotgap.envs.expert import play_expert
from cotgap.envs.registry import get_panel
from cotgap.envs.toy import SUITE, ToyEnv
from tests.commands import cotgap

from . import doubles
from .doubles import another, expert, follow

ROOT = Path(__file__).parents[2]


def configure(agent: Agent, name: str, panel: str = "toy/id", **changes: Any) -> ProbeConfig:
    probe = get_probe(name)
    config = ProbeConfig(
        probe=name,
        version=probe.version,
        agent=agent.describe(),
        protocol=str(agent.protocol),
        panels=(plan_panel(get_panel(panel), 5, None),),
        states=3,
        mode="cot",
        limits=Limits(32, 128),
        seed=0,
    )
    return replace(config, **changes)


def run(agent: Agent, name: str, folder: Path, **changes: Any) -> ProbeResult:
    return run_probe(LocalSite(agent), configure(agent, name, **changes), folder, Watch())


def figures(agent: Agent, name: str, folder: Path, **changes: Any) -> PanelFigures:
    result = run(agent, name, folder, **changes)
    assert result.complete
    return result.panels[0]


def value(panel: PanelFigures, name: str, group: str) -> float:
    figure = panel.get(name, group)
    assert isinstance(figure, Figure), f"no {name!r} in {group!r}"
    assert figure.estimate.low is not None
    assert figure.estimate.low <= figure.estimate.value
    return figure.estimate.value


def test_offline_tells_modes_apart(tiny: TransformersBackend, tmp_path: Path) -> None:
    panel = figures(doubles.agent(tiny, expert, follow(another)), "offline", tmp_path / "p")
    assert panel.tasks == 5
    assert panel.states == 15
    assert value(panel, "the expert's action", "prompt") == 0
    assert value(panel, "the expert's action", "cot") == 1
    assert value(panel, "as good as the expert's", "cot") == 1
    assert value(panel, "no action", "prompt") == 0
    assert value(panel, "the expert's action", "prompt → cot") == 1


def test_offline_counts_a_missing_action_as_wrong(
    tiny: TransformersBackend, tmp_path: Path
) -> None:
    mute = doubles.agent(tiny, expert, lambda env, argued: " " if argued is None else argued)
    panel = figures(mute, "offline", tmp_path / "p")
    assert value(panel, "no action", "prompt") == 1
    assert value(panel, "the expert's action", "prompt") == 0
    assert value(panel, "as good as the expert's", "prompt") == 0


def test_as_good_as_the_expert_goes_by_the_oracle(tiny: TransformersBackend) -> None:
    """Every admissible action at some states, against distances computed here."""
    env = SUITE.make()
    for task in ("0000", "0001", "0002"):
        key = SUITE.panel("id").key(task)
        actions = [step.action for step in play_expert(env, task).steps]
        for number, own in enumerate(actions):
            history = tuple(actions[:number])
            site = Here(env, key, history)
            best, here = _cost(env, key, history, own), _cost(env, key, history)
            for action in env.admissible_actions():
                after = _cost(env, key, history, action)
                good = after < here and after <= best
                assert site.as_good(action) == (good or action == site.expert)
            assert not site.as_good("dance")
            assert not site.as_good(None)


def _cost(env: Any, key: TaskKey, history: tuple[str, ...], *actions: str) -> int:
    Here(env, key, history)
    for action in actions:
        env.step(action)
    cost = env.cost_to_go()
    Here(env, key, history)
    return int(cost)


def test_a_follower_follows_and_an_anchored_one_does_not(
    tiny: TransformersBackend, tmp_path: Path
) -> None:
    follower = figures(
        doubles.agent(tiny, another, follow(expert)), "conflict", tmp_path / "follower"
    )
    assert value(follower, conflict.FOLLOWED, "rationale") == 1
    assert value(follower, conflict.FOLLOWED, "rationale, aₚ right") == 1
    assert follower.get(conflict.FOLLOWED, "rationale, aₚ wrong") is None
    assert value(follower, conflict.FOLLOWED, "own") == 1
    assert value(follower, "keeps aₚ", conflict.CONTROLS["support"]) == 1
    anchored = figures(
        doubles.agent(tiny, another, lambda env, argued: expert(env, None)),
        "conflict",
        tmp_path / "anchored",
    )
    assert value(anchored, conflict.ANCHORED, "rationale") == 1
    assert value(anchored, conflict.FOLLOWED, "rationale") == 0
    assert value(anchored, "keeps aₚ", conflict.CONTROLS["unrelated"]) == 1


def test_conflict_knows_when_the_prompt_action_is_wrong(
    tiny: TransformersBackend, tmp_path: Path
) -> None:
    """An agent that looks around, which never brings success nearer."""
    lost = doubles.agent(tiny, expert, lambda env, argued: argued or "look")
    panel = figures(lost, "conflict", tmp_path / "p")
    assert panel.get(conflict.FOLLOWED, "rationale, aₚ right") is None
    assert value(panel, conflict.FOLLOWED, "rationale, aₚ wrong") == 1
    confused = doubles.agent(tiny, expert, lambda env, argued: "sing" if argued else "look")
    panel = figures(confused, "conflict", tmp_path / "q")
    assert value(panel, conflict.OTHER, "rationale") == 1
    assert value(panel, "keeps aₚ", conflict.CONTROLS["support"]) == 0


def test_conflicting_traces_are_what_they_say(tiny: TransformersBackend, tmp_path: Path) -> None:
    run(doubles.agent(tiny, expert, follow(another)), "conflict", tmp_path / "p", states=None)
    rows = [row for line in lines(tmp_path / "p") for row in line["rows"]]
    sources = {source for row in rows for source in row["traces"]}
    assert sources == {"support", "rationale", "own", "unrelated"}
    for row in rows:
        assert row["traces"]["support"]["argued"] == row["prompt"]
        assert row["traces"]["rationale"]["argued"] != row["prompt"]
        if (own := row["traces"].get("own")) is not None:
            assert own["argued"] != row["prompt"]
            assert doubles.argued(own["thought"]) == own["argued"]
            assert any(own["argued"] == other["cot"] for other in rows if other is not row)


def test_dose_finds_where_the_trace_matters(tiny: TransformersBackend, tmp_path: Path) -> None:
    panel = figures(doubles.agent(tiny, expert, follow(another)), "dose", tmp_path / "p")
    same, good = "same as with all of it", "as good as the expert's"
    for group in ("dose 0", "dose ¼", "filler"):
        assert value(panel, same, group) == 0
    for group in ("shuffled", "paraphrase"):
        assert value(panel, same, group) == 1
        assert value(panel, good, group) == 1
    assert value(panel, "same as the free reply's", "dose 1") == 1
    assert value(panel, good, "dose 1") == 1
    deaf = figures(
        doubles.agent(tiny, expert, lambda env, argued: expert(env, None)), "dose", tmp_path / "q"
    )
    for group in ("dose 0", "dose ½", "filler", "shuffled"):
        assert value(deaf, same, group) == 1


def test_dose_cuts_tokens(tiny: TransformersBackend, tmp_path: Path) -> None:
    agent = doubles.agent(tiny, expert, follow(another))
    run(agent, "dose", tmp_path / "p", states=1)
    backend = agent.backend
    assert isinstance(backend, doubles.Ruled)
    forced = [
        r for r in backend.asked if r.prefill.startswith("<think>") and r.prefill != "<think>"
    ]
    lengths = [len(r.prefill_ids) for r in forced]
    whole = lengths[4] - lengths[0]
    assert [n - lengths[0] for n in lengths[:5]] == [round(whole * n / 4) for n in range(5)]
    assert lengths[5] == lengths[4], "filler is as long as the trace"


def test_words() -> None:
    text = "I am in the hall. So I go east. The key is next."
    assert shuffled("Only one.", random.Random(0)) is None
    mixed = shuffled(text, random.Random(0))
    assert mixed is not None
    assert mixed != text
    assert sorted(mixed.replace(".", "").split()) == sorted(text.replace(".", "").split())
    other = paraphrase(text)
    assert "go east" in other
    assert "I'm in the hall." in other
    assert "I am" not in other
    assert filler(5, (1, 2)) == (1, 2, 1, 2, 1)


@pytest.mark.parametrize("mode", ["cot", "prompt"])
def test_branch_ends_as_playing_it_out_does(
    tiny: TransformersBackend, tmp_path: Path, mode: str
) -> None:
    agent = doubles.agent(tiny, expert, follow(another))
    changes = {"mode": mode, "panels": (plan_panel(get_panel("toy/id"), 5, 9),), "states": 4}
    panel = figures(agent, "branch", tmp_path / "p", **changes)
    driver = expert if mode == "cot" else another
    endings = [
        (line["task_key"], row["step"], row["actions"], row["endings"])
        for line in lines(tmp_path / "p")
        for row in line["rows"]
        if "skipped" not in row
    ]
    assert len(endings) == panel.states > 5
    for key, step, actions, ending in endings:
        for first in ("prompt", "cot"):
            assert ending[first] == _played_out(key, step, actions[first], driver), (key, step)
    won = [[bool(e[m]["won"]) for *_, e in endings] for m in ("prompt", "cot")]
    assert value(panel, "success after aₚ", "states with a revision") == sum(won[0]) / len(won[0])
    assert value(panel, "success after a꜀", "states with a revision") == sum(won[1]) / len(won[1])
    if mode == "cot":
        assert sum(won[1]) > sum(won[0]), "with 9 steps a detour is too long for some"


def _played_out(key: str, step: int, action: str, driver: doubles.Rule) -> dict[str, Any]:
    """An episode from its start: the driver's actions, `action` at that step, the driver's."""
    env = SUITE.make(SUITE.panel("id").with_step_limit(9))
    env.reset(options={"task": key.split("/")[2].partition("#")[0]})
    while True:
        chosen = action if env.steps == step else driver(env, None)
        *_, terminated, truncated, info = env.step(chosen)
        if terminated or truncated:
            return {name: info[name] for name in ("won", "score", "steps")}


def test_branch_leaves_out_what_is_not_revised(tiny: TransformersBackend, tmp_path: Path) -> None:
    panel = figures(doubles.agent(tiny, expert, expert), "branch", tmp_path / "p")
    assert panel.states == 0
    assert set(panel.skipped) == {"no revision"}
    assert panel.figures == ()


def test_attribution_runs_on_the_model(tiny: TransformersBackend, tmp_path: Path) -> None:
    panel = figures(doubles.agent(tiny, expert, expert), "attribution", tmp_path / "p", states=1)
    for kind in ("attention", "gradient", "tokens"):
        shares = [
            value(panel, part, kind) for part in ("prompt", "reasoning", "template", "action")
        ]
        assert sum(shares) == pytest.approx(1, abs=1e-4)
        assert min(shares) > 0
    assert panel.get("reasoning", "attention, layer 1") is not None


class Unsaved(ToyEnv):
    """Without snapshots, a state is reached by the same actions again."""

    snapshot = None  # type: ignore[assignment]


def test_states_are_reached_without_snapshots(tiny: TransformersBackend) -> None:
    agent = doubles.agent(tiny, expert, expert)
    key = SUITE.panel("id").key("0003")
    found = []
    for kind in (ToyEnv, Unsaved):
        env = kind(SUITE.panel("id"), SUITE._layouts["id"])
        assert isinstance(env, Snapshots) == (kind is ToyEnv)
        visit = Visit(key, agent, Limits(32, 128), 0, None, "cot", elsewhere="0040")
        rollout = VisitRollout(visit, conflict.examine)
        scheduler: Scheduler[TaskRecord] = Scheduler(agent, lambda key, env=env: env, width=1)
        found += scheduler.run([rollout])
    assert found[0] == found[1]
    assert found[0].rows


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / TASKS).read_text().splitlines()]


def test_a_stopped_probe_is_resumed(tiny: TransformersBackend, tmp_path: Path) -> None:
    agent = doubles.agent(tiny, expert, follow(another))
    whole = run(agent, "offline", tmp_path / "p")
    path = tmp_path / "p" / TASKS
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join(text[:2]) + text[2][:20])
    assert load(tmp_path / "p").done == 2
    assert not load(tmp_path / "p").complete
    again = run(agent, "offline", tmp_path / "p")
    assert again.panels == whole.panels == load(tmp_path / "p").panels
    assert len(lines(tmp_path / "p")) == 5
    with pytest.raises(CoTGapError, match="states: 3 → 2"):
        run(agent, "offline", tmp_path / "p", states=2)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(CoTGapError, match="not empty"):
        run(agent, "offline", tmp_path / "other")


def test_failures_are_recorded_and_tried_again(tiny: TransformersBackend, tmp_path: Path) -> None:
    agent = doubles.agent(tiny, expert, expert)
    backend = agent.backend
    assert isinstance(backend, doubles.Ruled)
    real = backend.complete

    def failing(requests: list[Request]) -> list[Completion]:
        if any("0002" in request.cache_key for request in requests):
            raise BackendError("out of luck")
        return real(requests)

    backend.complete = failing  # type: ignore[assignment, method-assign]
    result = run(agent, "offline", tmp_path / "p")
    assert not result.complete
    assert [error.task_key for error in result.errors] == ["toy/id/0002#0"]
    assert "out of luck" in str(result.errors[0].error)
    assert result.panels[0].tasks == 4
    backend.complete = real  # type: ignore[method-assign]
    assert run(agent, "offline", tmp_path / "p").complete


def test_who_lacks_what(tiny: TransformersBackend, tmp_path: Path) -> None:
    noisy = make_agent("noisy")
    with pytest.raises(CoTGapError, match=r"forced traces.*scripted agents act on the environment"):
        run(noisy, "conflict", tmp_path / "p")
    with pytest.raises(CoTGapError, match="local model"):
        run(noisy, "attribution", tmp_path / "p")
    asked = replace(doubles.agent(tiny, expert, expert), protocol=PromptProtocol(asked=True))
    with pytest.raises(CoTGapError, match=r"protocol 'tags-1\+asked'"):
        run(asked, "conflict", tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "p"
    args = ("offline", "--agent", "noisy", "--panel", "toy/id", "--episodes", "6", "--out", out)
    done = cotgap("probe", *args)
    assert done.exit_code == 0, done.stderr
    for word in ("the expert's action", "95 % CI", "minimum detectable effect", "toy/id"):
        assert word in " ".join(done.stdout.split())
    again = cotgap("probe", *args, "--json")
    assert "6 of 6 tasks are already on disk" in again.stderr
    summary = json.loads(again.stdout)
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["complete"]
    wrong = cotgap("probe", "ofline", "--agent", "noisy")
    assert wrong.exit_code == 2
    assert "Did you mean 'offline'" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_suite_that_lacks_something_hears_who_has_it() -> None:
    env = Unsaved(SUITE.panel("id"), SUITE._layouts["id"])
    with pytest.raises(CoTGapError, match=r"needs snapshots .*which suite 'toy' lacks.*household"):
        check_environment(get_probe("branch"), env)


class Streamed(doubles.Ruled):
    """Answers one request at a time, the last one first; fails once after `fails_after` answers."""

    fails_after: int | None = None

    def __init__(self, base: TransformersBackend, thinks: doubles.Rule, acts: doubles.Rule) -> None:
        super().__init__(base, thinks, acts)
        self.waiting: list[tuple[int, Request]] = []
        self.given = 0

    def submit(self, requests: list[Request]) -> list[int]:
        tickets = [len(self.asked) + number for number in range(len(requests))]
        self.asked += requests
        self.waiting += zip(tickets, requests, strict=True)
        return tickets

    def collect(self) -> list[tuple[int, Completion]]:
        if self.given == self.fails_after:
            self.given += 1
            raise BackendError("the stream broke")
        if not self.waiting:
            return []
        self.given += 1
        ticket, request = self.waiting.pop()
        return [(ticket, Completion(self._reply(request), "stop"))]

    def forget(self) -> None:
        self.waiting.clear()


@pytest.mark.parametrize("fails_after", [None, 7])
@pytest.mark.parametrize("name", ["branch", "conflict", "dose", "offline"])
def test_a_stream_changes_no_record(
    tiny: TransformersBackend, tmp_path: Path, name: str, fails_after: int | None
) -> None:
    plain = doubles.agent(tiny, expert, follow(another))
    streamed = replace(plain, backend=Streamed(tiny, expert, follow(another)))
    streamed.backend.fails_after = fails_after  # type: ignore[attr-defined]
    run(plain, name, tmp_path / "plain")
    config = configure(plain, name)
    assert run_probe(LocalSite(streamed), config, tmp_path / "streamed", Watch(), width=3).complete
    one, other = (
        {line["task_key"]: line for line in lines(tmp_path / folder)}
        for folder in ("plain", "streamed")
    )
    assert one == other != {}


def rounds(agent: Agent) -> list[int]:
    """How many requests each later call of the backend gets."""
    backend, found = agent.backend, list[int]()
    real = backend.complete

    def complete(requests: list[Request]) -> list[Completion]:
        found.append(len(requests))
        return list(real(requests))

    backend.complete = complete  # type: ignore[assignment, method-assign]
    return found


def test_dose_asks_at_all_states_at_once(tiny: TransformersBackend, tmp_path: Path) -> None:
    agent = doubles.agent(tiny, expert, follow(another))
    asked = rounds(agent)
    config = configure(agent, "dose", states=2)
    done = run_probe(LocalSite(agent), config, tmp_path / "p", Watch(), width=20)
    states = done.panels[0].states
    assert asked == [states, 8 * states], "a reply at each state, then every variant of each"


def test_branches_are_played_at_the_same_time(tiny: TransformersBackend, tmp_path: Path) -> None:
    agent = doubles.agent(tiny, expert, follow(another))
    asked = rounds(agent)
    config = configure(agent, "branch", states=3, panels=(plan_panel(get_panel("toy/id"), 1, 9),))
    (line,) = _probed(agent, config, tmp_path / "p")
    branched = [row for row in line["rows"] if "skipped" not in row]
    assert len(branched) == 3
    own = branched[0]["endings"]["cot"]["steps"]
    longest = max(row["endings"]["prompt"]["steps"] - row["step"] - 1 for row in branched)
    assert len(asked) == own + longest, "the episode, then as long as the longest branch"


def test_a_part_that_fails_costs_its_task_alone(tiny: TransformersBackend, tmp_path: Path) -> None:
    agent = doubles.agent(tiny, expert, follow(another))
    backend = agent.backend
    real = backend.complete

    def failing(requests: list[Request]) -> list[Completion]:
        if any("0002" in r.cache_key and r.step == 1 for r in requests):
            raise BackendError("out of luck")
        return list(real(requests))

    backend.complete = failing  # type: ignore[assignment, method-assign]
    config = configure(agent, "dose", states=None)
    result = run_probe(LocalSite(agent), config, tmp_path / "p", Watch(), width=4)
    assert [error.task_key for error in result.errors] == ["toy/id/0002#0"]
    assert result.done == 4
    assert sorted(line["task_key"] for line in lines(tmp_path / "p")) == [
        f"toy/id/000{n}#0" for n in range(5)
    ], "each task has one record"
    assert "out of luck" in str(result.errors[0].error)


def _probed(agent: Agent, config: ProbeConfig, folder: Path) -> list[dict[str, Any]]:
    run_probe(LocalSite(agent), config, folder, Watch(), width=20)
    return lines(folder)
