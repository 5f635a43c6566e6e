"""Expert examples show a panel nothing that it holds out, and no task itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from cotgap.agents.protocol import PromptProtocol
from cotgap.benchmark.rollout.shots import expert_episodes, shot_source
from cotgap.envs.alfworld.data import task_kind
from cotgap.envs.alfworld.suite import HELD_OUT
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel


@pytest.fixture(autouse=True)
def data(alfworld_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(alfworld_data))


def test_held_out_types_are_not_shown() -> None:
    panel = get_panel("alfworld/paper_ood")
    source = get_panel(f"alfworld/{panel.shots_from}")
    examples = expert_episodes(source, 8, 0, list_actions=False)
    assert not {task_kind(task) for task, _ in examples} & set(HELD_OUT)


def test_examples_speak_the_panels_wording() -> None:
    for split, verb in (("valid_seen", "move "), ("valid_seen@older", "put ")):
        panel = get_panel(f"alfworld/{split}")
        shots = shot_source(PromptProtocol(shots=2), seed=0)(panel.key(panel.tasks[0].id))
        actions = [action for shot in shots for _, action, *_ in shot.steps]
        assert any(action.startswith(verb) for action in actions)


def test_no_task_is_its_own_example() -> None:
    panel = get_panel("toy/train")
    source = shot_source(PromptProtocol(shots=2), seed=0)
    for task, shot in expert_episodes(panel, 3, 0, list_actions=False):
        shown = source(panel.key(task))
        assert len(shown) == 2
        assert shot.steps not in [other.steps for other in shown]


def test_too_few_examples_are_an_error() -> None:
    with pytest.raises(CoTGapError, match="300 are needed"):
        expert_episodes(get_panel("toy/train"), 300, 0, list_actions=False)
