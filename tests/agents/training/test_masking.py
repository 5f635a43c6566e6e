"""The intervention, token by token."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotgap.agents.rendering import Renderer
from cotgap.agents.training.data import Episode
from cotgap.agents.training.masking import IGNORE_INDEX, Span, is_masked, mask_actions
from cotgap.agents.training.sequences import Objective, Tree, encode
from cotgap.envs.core import CoTGapError

REPLY = [Span("tag", 2, 3), Span("thought", 3, 5), Span("tag", 5, 6), Span("action", 6, 8)]


def test_labels_of_a_reply() -> None:
    ids = [10, 11, 12, 13, 14, 15, 16, 17, 18]
    free = [IGNORE_INDEX] * 2 + ids[2:8] + [IGNORE_INDEX]
    assert mask_actions(ids, REPLY, masked=False) == free
    assert mask_actions(ids, REPLY, masked=True) == free[:6] + [IGNORE_INDEX] * 3


@pytest.mark.parametrize(
    "spans",
    [
        [Span("action", 3, 2)],
        [Span("action", -1, 2)],
        [Span("action", 8, 10)],
        [Span("thought", 2, 5), Span("action", 4, 6)],
    ],
)
def test_spans_that_do_not_fit(spans: list[Span]) -> None:
    with pytest.raises(CoTGapError, match="made with another tokenizer"):
        mask_actions(list(range(9)), spans, masked=True)


@pytest.mark.parametrize("fraction", [-0.1, 1.001, math.nan, math.inf])
def test_fractions_out_of_range(fraction: float) -> None:
    with pytest.raises(CoTGapError, match="out of range: give a share from 0 to 1"):
        is_masked("a", fraction, 0)


def test_the_masked_share_is_seeded_and_nested() -> None:
    names = [f"episode {number}" for number in range(4000)]
    less, more = ({n for n in names if is_masked(n, k, 0)} for k in (0.1, 0.3))
    assert less < more
    assert len(more) == pytest.approx(0.3 * len(names), abs=4 * math.sqrt(4000 * 0.21))
    assert more != {n for n in names if is_masked(n, 0.3, 1)}
    assert not any(is_masked(n, 0.0, 0) for n in names)
    assert all(is_masked(n, 1.0, 0) for n in names)


@given(st.text(), st.floats(0, 1), st.floats(0, 1), st.integers())
def test_what_is_masked_stays_masked(name: str, k: float, higher: float, seed: int) -> None:
    low, high = sorted((k, higher))
    assert is_masked(name, low, seed) <= is_masked(name, high, seed)


def learned(tree: Tree, renderer: Renderer) -> list[str]:
    """The text that has a loss, example by example; a space where a gap is."""
    texts = []
    for example in tree.examples:
        runs: list[list[int]] = [[]]
        for span in example.spans:
            for at in range(span.start, span.end):
                if tree.labels[at] != IGNORE_INDEX:
                    assert tree.labels[at] == tree.ids[at]
                    runs[-1].append(int(tree.ids[at]))
                elif runs[-1]:
                    runs.append([])
        texts.append("|".join(renderer.decode(run) for run in runs))
    return texts


@pytest.mark.parametrize("k", [0.0, 1.0])
def test_tokens_with_a_loss(renderer: Renderer, episodes: list[Episode], k: float) -> None:
    """At k = 1 exactly the action is missing; tags, thought and the turn's end keep their loss."""
    objective = Objective(mix={"both": 1.0}, mask_fraction=k)
    for episode in episodes[:4]:
        (tree,) = encode(episode, renderer, objective)
        end = "" if renderer.turn_end is None else renderer.decode([renderer.turn_end])
        wanted = []
        for step in episode.steps:
            action = "|" if k else step.action
            act = f"<action>{action}</action>{end}"
            wanted += [f"<think>{step.thought}</think>\n{act}", act]
        assert learned(tree, renderer) == wanted
        inside = sum(s.end - s.start for example in tree.examples for s in example.spans)
        masked = sum(s.end - s.start for e in tree.examples for s in e.spans if s.kind == "action")
        assert (tree.labels != IGNORE_INDEX).sum() == inside - k * masked


def test_a_fraction_of_the_examples(own_tokenizer: object, episodes: list[Episode]) -> None:
    """Whole examples are masked, the same ones whatever the tokenizer, and no others."""
    renderer = Renderer(own_tokenizer, 4096)
    masked, examples = 0, 0
    for episode in episodes:
        (tree,) = encode(episode, renderer, Objective(mask_fraction=0.5, seed=3))
        for example in tree.examples:
            (span,) = [s for s in example.spans if s.kind == "action"]
            gone = (tree.labels[span.start : span.end] == IGNORE_INDEX).tolist()
            assert gone == [is_masked(example.id, 0.5, 3)] * len(gone)
            masked, examples = masked + gone[0], examples + 1
    assert 0.3 < masked / examples < 0.7
