"""Whatever is changed in an honest submission is found, and named as what it is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from cotgap.envs.registry import get_panel
from cotgap.leaderboards.findings import Findings
from cotgap.leaderboards.read import SubmissionError, read_submission
from cotgap.leaderboards.verify import verify
from tests.leaderboards.making import Content, Tamper, play, submit

HOME = "household/id"


def verified(path: Path) -> Findings:
    return verify(read_submission(path), workers=1)


def step_with(content: Content, mode: str, wanted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An episode and a step of it (not its last) that `wanted` takes."""
    for line in content.lines:
        if line["episode"]["mode"] == mode:
            for step in line["episode"]["steps"][:-1]:
                if wanted(step):
                    return line["episode"], step
    raise AssertionError("no such step in the honest run")


def score(c: Content) -> None:
    c.episode(HOME, "cot")["score"] = 0.5


def status(c: Content) -> None:
    episode = c.episode(HOME, "cot")
    episode["status"] = "truncated" if episode["status"] == "success" else "success"


def action(c: Content) -> None:
    c.episode(HOME, "cot")["steps"][0]["decision"]["action"] = "dance"


def raw(c: Content) -> None:
    c.episode(HOME, "prompt")["steps"][0]["decision"]["raw"] = "<action>dance</action>"


def forged_action(c: Content) -> None:
    """Raw text, action and normal form agree, but the game went on otherwise."""
    step = c.episode(HOME, "prompt")["steps"][0]
    step["decision"] |= {"raw": "<action>dance</action>", "action": "dance"}
    step["canonical"]["prompt"] = "dance"


def not_prefilled(c: Content) -> None:
    decision = c.episode(HOME, "prompt")["steps"][0]["decision"]
    decision["raw"] = " " + decision["raw"]


def thought(c: Content) -> None:
    c.episode(HOME, "cot")["steps"][0]["decision"]["thought"] = "I know."


def hidden_action(c: Content) -> None:
    """A decision is passed off as one that could not be parsed."""
    step = c.episode(HOME, "prompt")["steps"][0]
    step["decision"] |= {"action": None, "parse_error": "empty_action"}
    step["canonical"], step["cost_to_go"] = {}, {}


def parse_error(c: Content) -> None:
    """A reply without an action, said to be without it for another reason."""
    step = c.episode(HOME, "prompt")["steps"][0]
    step["decision"] |= {"raw": "<action>", "action": None, "parse_error": "empty_action"}
    step["canonical"], step["cost_to_go"] = {}, {}


def observation(c: Content) -> None:
    c.episode(HOME, "cot")["steps"][1]["observation"] += " You win."


def final_observation(c: Content) -> None:
    c.episode(HOME, "cot")["final_observation"] += " You win."


def goal(c: Content) -> None:
    c.episode(HOME, "cot")["goal"] = "do nothing"


def task_kind(c: Content) -> None:
    c.episode(HOME, "cot")["task_kind"] = "easy"


def reward(c: Content) -> None:
    c.episode(HOME, "cot")["steps"][0]["reward"] = 1.0


def valid(c: Content) -> None:
    step = c.episode(HOME, "cot")["steps"][0]
    step["valid"] = not step["valid"]


def shadow_action(c: Content) -> None:
    c.episode(HOME, "cot")["steps"][0]["shadows"]["prompt"]["action"] = "dance"


def forged_shadow(c: Content) -> None:
    """A revision made up: raw text and action agree, the oracle's answer is the old one."""

    def costly(step: dict[str, Any]) -> bool:
        costs = step["cost_to_go"]
        return bool(costs) and costs["prompt"] == costs["state"] - 1

    _, step = step_with(c, "cot", costly)
    step["shadows"]["prompt"] |= {"raw": "<action>dance</action>", "action": "dance"}
    step["canonical"]["prompt"] = "dance"


def shadow_removed(c: Content) -> None:
    step = c.episode(HOME, "cot")["steps"][0]
    step["shadows"] = {}
    step["canonical"] = {"cot": step["canonical"]["cot"]}
    step["cost_to_go"] = {}


def shadow_added(c: Content) -> None:
    step = c.episode(HOME, "prompt")["steps"][0]
    said = c.episode(HOME, "cot")["steps"][0]["decision"]
    step["shadows"] = {"cot": said}
    step["canonical"]["cot"] = said["action"]


def canonical(c: Content) -> None:
    c.episode(HOME, "cot")["steps"][0]["canonical"]["prompt"] = "another"


def cost_to_go(c: Content) -> None:
    _, step = step_with(c, "cot", lambda step: step["cost_to_go"].get("cot"))
    step["cost_to_go"]["cot"] -= 1


def cost_removed(c: Content) -> None:
    _, step = step_with(c, "cot", lambda step: step["cost_to_go"])
    step["cost_to_go"] = {}


def usage(c: Content) -> None:
    c.episode(HOME, "cot")["usage"]["completion_tokens"] += 1


def tokens_over_budget(c: Content) -> None:
    episode = c.episode(HOME, "prompt")
    episode["steps"][0]["decision"]["usage"]["completion_tokens"] = 65
    episode["usage"]["completion_tokens"] += 65


def impossible_dropping(c: Content) -> None:
    episode = c.episode(HOME, "prompt")
    episode["steps"][0]["decision"]["usage"]["dropped_steps"] = 3
    episode["usage"]["dropped_steps"] = 3


def dropped_episode(c: Content) -> None:
    c.lines.pop(3)


def duplicated_episode(c: Content) -> None:
    c.lines.append(copy.deepcopy(c.lines[3]))


def second_try(c: Content) -> None:
    """A failed episode stays, and a better one of the same name goes before it."""
    twin = copy.deepcopy(c.lines[0])
    twin["episode"]["score"] = 0.0
    c.lines.insert(0, twin)


def from_another_panel(c: Content) -> None:
    c.episode(HOME, "cot")["task_key"] = "household/ood_task/000000#0"


def another_seed(c: Content) -> None:
    episode = c.episode(HOME, "cot")
    episode["task_key"] = episode["task_key"].replace("#0", "#1")


def unplanned_task(c: Content) -> None:
    episode = copy.deepcopy(c.episode(HOME, "cot"))
    episode["task_key"] = "household/id/000017#0"
    c.lines.append({"run": 0, "episode": episode})


def swapped_keys(c: Content) -> None:
    one, other = c.episode(HOME, "cot", 0), c.episode(HOME, "cot", 1)
    one["task_key"], other["task_key"] = other["task_key"], one["task_key"]


def truncated_steps(c: Content) -> None:
    episode = c.episode(HOME, "cot")
    episode["final_observation"] = episode["steps"].pop()["observation"]


def no_steps(c: Content) -> None:
    c.episode(HOME, "cot")["steps"] = []


def extra_steps(c: Content) -> None:
    episode = c.episode(HOME, "cot")
    episode["steps"].append(copy.deepcopy(episode["steps"][-1]))


def dropped_step(c: Content) -> None:
    del c.episode(HOME, "cot")["steps"][1]


def lock(c: Content) -> None:
    c.config["panels"][1]["lock"] = "0" * 64
    for line in c.lines:
        if line["episode"]["task_key"].startswith(HOME):
            line["episode"]["lock"] = "0" * 64
    c.redigest()


def lock_of_episode(c: Content) -> None:
    c.episode(HOME, "cot")["lock"] = "0" * 64


def digest(c: Content) -> None:
    c.header["runs"][0]["digest"] = "0" * 64


def config_field(c: Content) -> None:
    c.config["sampling"]["temperature"] = 0.7


def agent_field(c: Content) -> None:
    c.config["agent"]["noise"] = {"prompt": 0.0}


def step_limit(c: Content) -> None:
    c.config["panels"][1]["step_limit"] = 100
    c.redigest()


def step_limit_and_lock(c: Content) -> None:
    """A careful forger: all that can be recomputed is; but the game was over at the old limit."""
    plan = c.config["panels"][1]
    plan["step_limit"] = 2
    plan["lock"] = get_panel(HOME).with_step_limit(2).lock
    for line in c.lines:
        if line["episode"]["task_key"].startswith(HOME):
            line["episode"]["lock"] = plan["lock"]
    c.redigest()


def chosen_tasks(c: Content) -> None:
    """Tasks that went badly are left out, of the plan as well."""
    left_out = c.config["panels"][1]["tasks"].pop(0)
    key = f"{HOME}/{left_out}#0"
    c.lines[:] = [line for line in c.lines if line["episode"]["task_key"] != key]
    c.redigest()


def panel_size(c: Content) -> None:
    c.config["panels"][1]["size"] = 3
    c.redigest()


def unknown_panel(c: Content) -> None:
    c.config["panels"][1]["name"] = "household/easy"
    c.redigest()


def fingerprint(c: Content) -> None:
    c.episode(HOME, "cot")["fingerprint"] = "0" * 64


def fingerprint_of_all(c: Content) -> None:
    c.config["agent"]["fingerprint"] = "0" * 64
    c.redigest()


def protocol(c: Content) -> None:
    c.episode(HOME, "cot")["protocol"] = "tags-1+admissible"


def protocol_of_all(c: Content) -> None:
    c.config["protocol"] = "tags-1+admissible"
    for line in c.lines:
        line["episode"]["protocol"] = "tags-1+admissible"
    c.redigest()


def unknown_protocol(c: Content) -> None:
    c.config["protocol"] = c.config["agent"]["protocol"] = "tags-2"
    c.redigest()


def mode_relabelled(c: Content) -> None:
    """A prompt action is passed off as driven by CoT."""
    c.lines.remove(next(x for x in c.lines if x["episode"] is c.episode(HOME, "cot")))
    c.episode(HOME, "prompt")["mode"] = "cot"


def decision_relabelled(c: Content) -> None:
    step = c.episode(HOME, "prompt")["steps"][0]
    step["decision"]["mode"] = "cot"
    step["canonical"] = {"cot": step["canonical"]["prompt"]}


def unknown_mode(c: Content) -> None:
    c.config["modes"] = ["prompt", "cot", "guess"]
    c.redigest()


def repeat_renumbered(c: Content) -> None:
    c.episode(HOME, "cot")["repeat"] = 1


def tags(c: Content) -> None:
    c.config["agent"]["tags"]["action_open"] = "<do>"
    c.redigest()


def text_after_the_stop(c: Content) -> None:
    c.episode(HOME, "prompt")["steps"][0]["decision"]["raw"] += " And then?"


def finish_reason(c: Content) -> None:
    c.episode(HOME, "prompt")["steps"][0]["decision"]["finish_reason"] = "length"


def cached_more_than_read(c: Content) -> None:
    episode = c.episode(HOME, "prompt")
    episode["steps"][0]["decision"]["usage"]["cached_tokens"] = 10
    episode["usage"]["cached_tokens"] = 10


def protocol_by_another_name(c: Content) -> None:
    """The same protocol, but a table of its own."""
    name = "tags-1+thoughts+admissible"
    c.config["protocol"] = c.config["agent"]["protocol"] = name
    for line in c.lines:
        line["episode"]["protocol"] = name
    c.redigest()


def card(c: Content) -> None:
    """Trained on a panel of a wording that it does not have, so that it would be OOD."""
    panel = get_panel(HOME)
    facts = {"suite": panel.suite, "panel": panel.name, "kinds": ["look_at_obj_in_light"]}
    c.header["entrant"]["card"] = {"trained_on": [{**facts, "wording": "another"}]}


# What replaying finds; of several findings, the one that says best what was done.
FOUND: list[tuple[Tamper, str]] = [
    (score, "score"),
    (status, "status"),
    (action, "action"),
    (raw, "action"),
    (forged_action, "observation"),
    (not_prefilled, "raw"),
    (thought, "thought"),
    (hidden_action, "parse_error"),
    (parse_error, "parse_error"),
    (observation, "observation"),
    (final_observation, "final_observation"),
    (goal, "goal"),
    (task_kind, "task_kind"),
    (reward, "reward"),
    (valid, "valid"),
    (shadow_action, "action"),
    (forged_shadow, "cost_to_go"),
    (shadow_removed, "shadows"),
    (shadow_added, "shadows"),
    (canonical, "canonical"),
    (cost_to_go, "cost_to_go"),
    (cost_removed, "cost_to_go"),
    (usage, "usage"),
    (tokens_over_budget, "usage"),
    (impossible_dropping, "usage"),
    (dropped_episode, "missing"),
    (duplicated_episode, "duplicate"),
    (second_try, "duplicate"),
    (from_another_panel, "unplanned"),
    (another_seed, "unplanned"),
    (unplanned_task, "unplanned"),
    (swapped_keys, "goal"),
    (truncated_steps, "steps"),
    (no_steps, "steps"),
    (extra_steps, "steps"),
    (dropped_step, "observation"),
    (lock, "lock"),
    (lock_of_episode, "lock"),
    (digest, "digest"),
    (config_field, "digest"),
    (agent_field, "digest"),
    (step_limit, "lock"),
    (step_limit_and_lock, "steps"),
    (chosen_tasks, "tasks"),
    (panel_size, "tasks"),
    (unknown_panel, "panel"),
    (fingerprint, "fingerprint"),
    (fingerprint_of_all, "fingerprint"),
    (protocol, "protocol"),
    (protocol_of_all, "agent"),
    (unknown_protocol, "config"),
    (mode_relabelled, "mode"),
    (decision_relabelled, "mode"),
    (unknown_mode, "config"),
    (repeat_renumbered, "unplanned"),
    (tags, "action"),
    (text_after_the_stop, "raw"),
    (finish_reason, "finish_reason"),
    (cached_more_than_read, "usage"),
    (protocol_by_another_name, "config"),
    (card, "card"),
]


@pytest.mark.parametrize(("tamper", "kind"), FOUND, ids=[t.__name__ for t, _ in FOUND])
def test_tampering_is_found(tamper: Tamper, kind: str, honest: Path, tmp_path: Path) -> None:
    content = Content.of(honest)
    tamper(content)
    findings = verified(content.write(tmp_path / "tampered.jsonl.xz"))
    assert kind in findings.counts, findings.problems
    assert not findings.verified
    problem = next(found for found in findings.problems if found.kind == kind)
    assert problem.said != problem.found


def test_untouched_content_is_verified(honest: Path, tmp_path: Path) -> None:
    """What the tests above write is refused for what was changed, not for how it is written."""
    findings = verified(Content.of(honest).write(tmp_path / "again.jsonl.xz"))
    assert findings.verified, findings.problems
    assert findings.episodes == 12


def test_findings_are_bounded(honest: Path, tmp_path: Path) -> None:
    content = Content.of(honest)
    for line in content.lines:
        for step in line["episode"]["steps"]:
            step["reward"] = 0.25
    findings = verified(content.write(tmp_path / "tampered.jsonl.xz"))
    steps = sum(len(line["episode"]["steps"]) for line in content.lines)
    assert findings.counts == {"reward": steps}
    assert len(findings.problems) == 20 < steps


# What reading refuses before anything is replayed: (what is done, what the message says).


def hardware(c: Content) -> None:
    c.header["runs"][0]["hardware"] = ["fast"]


def versions(c: Content) -> None:
    c.header["runs"][0]["versions"][0]["torch"] = 2


def unscored(c: Content) -> None:
    c.lines[0]["episode"]["status"] = "timeout"


def nan_score(c: Content) -> None:
    c.lines[0]["episode"]["score"] = float("nan")


def infinite_reward(c: Content) -> None:
    c.lines[0]["episode"]["steps"][0]["reward"] = float("inf")


def huge_number(c: Content) -> None:
    c.lines[0]["episode"]["repeat"] = 10**30


def true_for_a_number(c: Content) -> None:
    c.lines[0]["episode"]["score"] = True


def unknown_field(c: Content) -> None:
    c.lines[0]["episode"]["steps"][0]["bonus"] = 1


def lacking_field(c: Content) -> None:
    del c.lines[0]["episode"]["steps"][0]["valid"]


def unknown_setting(c: Content) -> None:
    c.config["cheat"] = True


def unknown_run(c: Content) -> None:
    c.lines[0]["run"] = 1


def run_twice(c: Content) -> None:
    c.header["runs"].append(copy.deepcopy(c.header["runs"][0]))


def panel_twice(c: Content) -> None:
    c.config["panels"].append(copy.deepcopy(c.config["panels"][0]))


def task_twice(c: Content) -> None:
    c.config["panels"][0]["tasks"].append(c.config["panels"][0]["tasks"][0])


def too_many_planned(c: Content) -> None:
    c.config["repeats"] = 1000
    c.config["panels"][0]["tasks"] = [str(number) for number in range(2000)]


def sheltered_action(c: Content) -> None:
    c.lines[0]["episode"]["steps"][0]["canonical"] = {}


def shadow_of_itself(c: Content) -> None:
    step = c.episode(HOME, "prompt")["steps"][0]
    step["shadows"] = {"prompt": copy.deepcopy(step["decision"])}


def odd_key(c: Content) -> None:
    c.lines[0]["episode"]["task_key"] = "household/id/000000#00"


def turned_name(c: Content) -> None:
    c.header["entrant"]["name"] = "Agent \u202etsb"


def invisible_name(c: Content) -> None:
    c.header["entrant"]["name"] = "Te\u200bster"


def decomposed_name(c: Content) -> None:
    c.header["entrant"]["name"] = "Te\u0301ster"


def two_lines(c: Content) -> None:
    c.header["entrant"]["organisation"] = "A\nB"


def empty_name(c: Content) -> None:
    c.header["entrant"]["name"] = ""


def script_address(c: Content) -> None:
    c.header["entrant"]["url"] = "javascript:alert(1)"


def user_in_address(c: Content) -> None:
    c.header["entrant"]["url"] = "https://example.org@evil.example"


def card_of_nothing(c: Content) -> None:
    c.header["entrant"]["card"] = {"trained_on": ["household/train"]}


def deep_card(c: Content) -> None:
    deep: Any = 1
    for _ in range(20):
        deep = [deep]
    c.header["entrant"]["card"] = {"config": {"deep": deep}}


def another_schema(c: Content) -> None:
    c.header["schema"] = 2


REFUSED: list[tuple[Tamper, str]] = [
    (hardware, r"line 1: runs\[0\].hardware: a list of 1 should be an object"),
    (versions, r"runs\[0\].versions\[0\].torch: 2 should be a valid string"),
    (unscored, r"line 2: episode.status: 'timeout' is none of success"),
    (nan_score, r"line 2: not JSON \(NaN"),
    (infinite_reward, r"line 2: not JSON \(Infinity"),
    (huge_number, r"line 2: not JSON \(a number of 31 digits"),
    (true_for_a_number, r"episode.score: True should be a valid number"),
    (unknown_field, r"episode.steps\[0\]: unknown field 'bonus'"),
    (lacking_field, r"episode.steps\[0\]: lacks the field 'valid'"),
    (unknown_setting, r"runs\[0\].config: unknown field 'cheat'"),
    (unknown_run, r"line 2: run: 1 is not one of the 1 runs"),
    (run_twice, "holds a run twice"),
    (panel_twice, r"runs\[0\].config.panels: lists a panel twice"),
    (task_twice, r"panels\[0\].tasks: lists an item twice"),
    (too_many_planned, "episodes are planned"),
    (sheltered_action, r"episode.steps\[0\].canonical"),
    (shadow_of_itself, r"episode.steps\[0\].shadows.prompt"),
    (odd_key, r"episode.task_key: .* is written otherwise"),
    (turned_name, r"entrant.name: holds U\+202E"),
    (invisible_name, r"entrant.name: holds U\+200B"),
    (decomposed_name, r"entrant.name: .* normal form C"),
    (two_lines, r"entrant.organisation: holds U\+000A"),
    (empty_name, "entrant.name: empty"),
    (script_address, "entrant.url: 'javascript:alert"),
    (user_in_address, "entrant.url: "),
    (card_of_nothing, r"entrant.card.trained_on\[0\]: .* should be an object"),
    (deep_card, "entrant.card.config: nested deeper than 6"),
    (another_schema, "schema: 2 should be 1"),
]


@pytest.mark.parametrize(("tamper", "message"), REFUSED, ids=[t.__name__ for t, _ in REFUSED])
def test_malformed_content_is_refused(
    tamper: Tamper, message: str, honest: Path, tmp_path: Path
) -> None:
    content = Content.of(honest)
    tamper(content)
    path = content.write(tmp_path / "tampered.jsonl.xz")
    with pytest.raises(SubmissionError, match=message) as caught:
        read_submission(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


def test_a_run_of_another_agent_is_refused(honest: Path, tmp_path: Path) -> None:
    """Run and episodes are genuine, but of another agent."""
    play(tmp_path / "run", "expert", ["toy/id"], 2)
    content, other = (
        Content.of(honest),
        Content.of(submit(tmp_path / "o.jsonl.xz", tmp_path / "run")),
    )
    content.header["runs"] += other.header["runs"]
    content.lines += [{**line, "run": 1} for line in other.lines]
    with pytest.raises(SubmissionError, match=r"runs\[1\].config.agent.name: 'expert'"):
        read_submission(content.write(tmp_path / "mixed.jsonl.xz"))
