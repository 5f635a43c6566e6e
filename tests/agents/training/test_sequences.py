"""Trees compute what plain sequences would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from cotgap.agents.agent import Agent
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.rendering import Renderer
from cotgap.agents.training.batching import collate, logits_at
from cotgap.agents.training.data import Episode
from cotgap.agents.training.masking import IGNORE_INDEX
from cotgap.agents.training.sequences import Objective, Tree, encode, join, prompt_ids
from cotgap.envs.core import CoTGapError

BOTH = Objective(mix={"both": 1.0})
MODES = {"cot": "cot", "direct": "prompt"}


def path(tree: Tree, at: int) -> list[int]:
    """The token ids on the way to and including index `at`."""
    found = []
    while at >= 0:
        found.append(int(tree.ids[at]))
        at = int(tree.before[at])
    return found[::-1]


def test_branches_continue_inference_prompts(renderer: Renderer, episodes: list[Episode]) -> None:
    """What precedes a reply is, token for token, what inference reads at that state."""
    for episode in episodes[:3]:
        (tree,) = encode(episode, renderer, BOTH)
        for example in tree.examples:
            step = int(example.id.rpartition(":")[2])
            prompt = prompt_ids(episode, step, MODES[example.target], renderer)
            last = example.spans[0].end - 1
            assert path(tree, last) == list(prompt)
            assert tree.positions[last] == len(prompt) - 1


def check_logits(model: Any, renderer: Renderer, episodes: list[Episode]) -> None:
    trees = [tree for episode in episodes for tree in encode(episode, renderer, BOTH)]
    batch = collate(trees)
    width = batch["input_ids"].shape[1]
    with torch.inference_mode():
        for row, tree in enumerate(trees):
            for example in tree.examples[::3]:
                start, end = example.spans[0].start, example.spans[-1].end
                plain = path(tree, end - 1)
                sources = torch.arange(start, end) + row * width
                own = logits_at(model, batch, sources)
                wanted = model(input_ids=torch.tensor([plain])).logits[0, start - end :]
                torch.testing.assert_close(own, wanted, rtol=1e-3, atol=2e-3)


def test_logits_are_those_of_plain_sequences(
    tiny: TransformersBackend, episodes: list[Episode]
) -> None:
    check_logits(tiny.model, tiny.renderer, episodes[:3])


def test_logits_of_smollm2(smollm2: Agent, episodes: list[Episode]) -> None:
    backend = smollm2.backend
    assert isinstance(backend, TransformersBackend)
    short = replace(episodes[0], steps=episodes[0].steps[:2])
    check_logits(backend.model, backend.renderer, [short])


def test_random_actions_are_never_targets(renderer: Renderer, episodes: list[Episode]) -> None:
    noisy = [e for e in episodes if any(s.executed != s.action for s in e.steps)]
    assert noisy
    for episode in noisy:
        (tree,) = encode(episode, renderer, BOTH)
        for example in tree.examples:
            step = episode.steps[int(example.id.rpartition(":")[2])]
            (span,) = [s for s in example.spans if s.kind == "action"]
            assert renderer.decode(tree.ids[span.start : span.end].tolist()) == step.action
        history = [s.executed for s in episode.steps[:-1]]
        prompt = int(tree.before[tree.examples[-1].spans[0].start])
        trunk = renderer.decode(path(tree, prompt))
        assert trunk.count("<action>") == len(history) + 3  # and in the reply format
        assert all(f"<action>{action}</action>" in trunk for action in history)


def test_observations_are_learned_where_wanted(renderer: Renderer, episodes: list[Episode]) -> None:
    episode = episodes[0]
    objective = Objective(mix={"direct": 1.0}, observations=True)
    (with_them,) = encode(episode, renderer, objective)
    (without,) = encode(episode, renderer, Objective(mix={"direct": 1.0}))
    more = (with_them.labels != IGNORE_INDEX) & (without.labels == IGNORE_INDEX)
    texts = [step.observation for step in episode.steps]
    assert renderer.decode(with_them.ids[more].tolist()).replace(" ", "") == "".join(texts).replace(
        " ", ""
    )


def test_an_overflowing_context_gives_more_trees(
    tiny: TransformersBackend, episodes: list[Episode]
) -> None:
    """As inference would begin a new prompt."""
    longest = max(episodes, key=lambda episode: len(episode.steps))
    many = replace(longest, steps=longest.steps * 6)
    small = Renderer(tiny.renderer.tokenizer, 1400)
    trees = encode(many, small, Objective())
    assert len(trees) > 1
    assert [e.id for tree in trees for e in tree.examples] == [
        f"{many.id}:{number}" for number in range(len(many.steps))
    ]
    first = trees[1].examples[0]
    step = int(first.id.rpartition(":")[2])
    assert path(trees[1], first.spans[0].end - 1) == list(prompt_ids(many, step, "cot", small))
    assert "[Earlier steps left out" in small.decode(path(trees[1], first.spans[0].start))


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ({"cot": 0.5}, "does not add up to 1"),
        ({"cot": 1.5, "direct": -0.5}, "out of range"),
        ({"thought": 1.0}, "unknown target 'thought' in the mix: give cot, direct or both"),
    ],
)
def test_bad_mixes(mix: dict[str, float], message: str) -> None:
    with pytest.raises(CoTGapError, match=message):
        Objective(mix=mix)


def test_the_mix_is_drawn_by_example() -> None:
    objective = Objective(mix={"cot": 0.5, "direct": 0.2, "both": 0.3})
    drawn = [objective.targets(str(number)) for number in range(3000)]
    shares = {targets: drawn.count(targets) / 3000 for targets in set(drawn)}
    assert shares == {
        ("cot",): pytest.approx(0.5, abs=0.04),
        ("direct",): pytest.approx(0.2, abs=0.04),
        ("cot", "direct"): pytest.approx(0.3, abs=0.04),
    }


def test_an_expert_without_reasons(tiny: TransformersBackend, episodes: list[Episode]) -> None:
    mute = replace(episodes[0], steps=tuple(replace(s, thought="") for s in episodes[0].steps))
    with pytest.raises(CoTGapError, match=r"gives no reasons.*--mix direct=1"):
        encode(mute, tiny.renderer, Objective())
    assert encode(mute, tiny.renderer, Objective(mix={"direct": 1.0}))


def test_a_tokenizer_that_loses_text(tiny: TransformersBackend, episodes: list[Episode]) -> None:
    class Lossy(Renderer):
        def decode(self, ids: Any) -> str:
            return super().decode(ids).lower()

    with pytest.raises(CoTGapError, match=r"the tokenizer writes the thought .* back as"):
        encode(episodes[0], Lossy(tiny.renderer.tokenizer, 4096), Objective())


def test_joined_trees_see_nothing_of_one_another(
    episodes: list[Episode], renderer: Renderer
) -> None:
    one, other = (tree for e in episodes[:2] for tree in encode(e, renderer, Objective()))
    both, size = join([one, other]), len(one)
    assert (both.visible()[:size, :size] == one.visible()).all()
    assert (both.visible()[size:, size:] == other.visible()).all()
    assert not both.visible()[size:, :size].any()
    assert both.positions.tolist() == [*one.positions.tolist(), *other.positions.tolist()]
    learned = other.before >= 0
    assert (both.ids[both.before[size:][learned]] == other.ids[other.before[learned]]).all()
    assert both.before[size] == -1
    span, moved = other.examples[-1].spans[0], both.examples[-1].spans[0]
    assert both.ids[slice(*moved[1:])].tolist() == other.ids[slice(*span[1:])].tolist()
