"""Whole episodes as one sequence each: a trunk that grows, with what is learned as branches.

At every state of an episode the model is asked to continue one and the same conversation, the
*trunk*; the reply that is learned there (with a thought that later prompts do not show) is a
*branch* that sees its own trunk prefix and itself. Packed into one sequence with a mask of that
tree and the positions that inference would use, an episode costs its tokens once, and the logits
on a branch are those of the plain sequence (prompt, prefill, reply).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cotgap.agents.core import DEFAULT_TAGS, Sampling
from cotgap.agents.prompts import Dialogue, reply_parts
from cotgap.agents.protocol import TAGS_1
from cotgap.agents.rendering import Part, Renderer, Segment
from cotgap.agents.training.data import Episode, Step
from cotgap.agents.training.masking import (
    IGNORE_INDEX,
    Span,
    checked_share,
    draw,
    is_masked,
    mask_actions,
)
from cotgap.envs.core import CoTGapError

Target = Literal["cot", "direct"]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Example:
    """A reply within a tree: the tokens of `spans` (indices into the tree's ids).

    `kind` groups replies of one sort in tables: the action's first word.
    """

    id: str
    target: str
    kind: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """T tokens in N nodes, parents before children.

    `ids`, `positions`, `nodes` (each token's node), `before` (index of the token that predicts
    it; -1 for a root's first) and `labels` have shape (T,). `ancestors` (N, N) is True at [i, j]
    where node j is i or above it: a token sees the earlier tokens of such nodes.
    """

    ids: Ints
    positions: Ints
    nodes: Ints
    before: Ints
    labels: Ints
    ancestors: NDArray[np.bool_]
    examples: tuple[Example, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def visible(self) -> NDArray[np.bool_]:
        """(T, T): which token (column) each token (row) sees."""
        seen = self.ancestors[self.nodes[:, None], self.nodes[None, :]]
        return np.asarray(np.tril(seen))


class Grower:
    """Builds a tree node by node."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.labels: list[int] = []
        self.examples: list[Example] = []
        self._positions: list[int] = []
        self._nodes: list[int] = []
        self._before: list[int] = []
        self._lineage: list[tuple[int, ...]] = []
        self._last: list[int] = []  # index of each node's last token

    def add(self, parent: int | None, ids: Sequence[int]) -> int:
        """Hang a node below `parent` (None: a root); returns it. Nothing of it has a loss yet."""
        start, node = len(self.ids), len(self._lineage)
        if not ids:
            raise ValueError("a node without tokens")
        tip = -1 if parent is None else self._last[parent]
        first = 0 if parent is None else self._positions[tip] + 1
        self.ids += ids
        self.labels += [IGNORE_INDEX] * len(ids)
        self._positions += range(first, first + len(ids))
        self._nodes += [node] * len(ids)
        self._before += [tip, *range(start, len(self.ids) - 1)]
        self._lineage.append((*(() if parent is None else self._lineage[parent]), node))
        self._last.append(len(self.ids) - 1)
        return node

    def learn(self, example: Example, *, masked: bool = False) -> None:
        """Give an example's tokens their loss; `masked` spares its action."""
        labels = mask_actions(self.ids, example.spans, masked)
        for _, start, end in example.spans:
            self.labels[start:end] = labels[start:end]
        self.examples.append(example)

    def tree(self) -> Tree:
        """What was built."""
        size = len(self._lineage)
        ancestors = np.zeros((size, size), dtype=bool)
        for node, line in enumerate(self._lineage):
            ancestors[node, list(line)] = True
        return Tree(
            _ints(self.ids),
            _ints(self._positions),
            _ints(self._nodes),
            _ints(self._before),
            _ints(self.labels),
            ancestors,
            tuple(self.examples),
        )


def join(trees: Sequence[Tree]) -> Tree:
    """Trees side by side as one, which see nothing of one another."""
    size = sum(len(tree.ancestors) for tree in trees)
    ancestors = np.zeros((size, size), dtype=bool)
    nodes, before, examples = [], [], []
    start = first = 0  # of a tree: its tokens, its nodes
    for tree in trees:
        last = first + len(tree.ancestors)
        ancestors[first:last, first:last] = tree.ancestors
        nodes.append(tree.nodes + first)
        before.append(np.where(tree.before < 0, -1, tree.before + start))
        examples += [_moved(example, start) for example in tree.examples]
        start, first = start + len(tree), last
    return Tree(
        np.concatenate([tree.ids for tree in trees]),
        np.concatenate([tree.positions for tree in trees]),
        np.concatenate(nodes),
        np.concatenate(before),
        np.concatenate([tree.labels for tree in trees]),
        ancestors,
        tuple(examples),
    )


def _moved(example: Example, by: int) -> Example:
    spans = tuple(Span(kind, start + by, end + by) for kind, start, end in example.spans)
    return replace(example, spans=spans)


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Objective:
    """What is learned at each state.

    `mix` gives the shares of examples trained as `cot` (thought and action), as `direct` (the
    action alone) and as `both`; they add up to 1. `mask_fraction` is the share k of examples whose
    action tokens have no loss. `observations` adds the environment's own text, as language
    modelling. `seed` decides which examples are which.
    """

    mix: Mapping[str, float] = field(default_factory=lambda: {"cot": 1.0})
    mask_fraction: float = 0.0
    observations: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        checked_share("action-mask fraction", self.mask_fraction)
        for name, share in self.mix.items():
            if name not in ("cot", "direct", "both"):
                raise CoTGapError(f"unknown target {name!r} in the mix: give cot, direct or both")
            checked_share(f"mix {name}", share)
        if abs(sum(self.mix.values()) - 1) > 1e-6:
            raise CoTGapError(f"the mix {dict(self.mix)} does not add up to 1")

    def targets(self, example: str) -> tuple[Target, ...]:
        """What is trained at an example's state."""
        value = draw(self.seed, "target", example)
        reached = 0.0
        chosen = "cot"
        for name, share in self.mix.items():
            if share and reached <= value:
                chosen = name
            reached += share
        if chosen == "both":
            return ("cot", "direct")
        return ("cot",) if chosen == "cot" else ("direct",)


def encode(episode: Episode, renderer: Renderer, objective: Objective) -> list[Tree]:
    """An episode's trees: one, unless the context overflows and a new conversation begins.

    Raises `CoTGapError` where the tokenizer cannot write the episode's text back, or where a
    thought is wanted and the suite's expert gives none.
    """
    return [
        _grow(episode, states, renderer, objective) for states in _conversations(episode, renderer)
    ]


@dataclass(frozen=True, slots=True)
class _State:
    """A step's number and the prompt there (its tokens extend those of the state before)."""

    number: int
    step: Step
    prompt: tuple[Segment, ...]


def _conversations(episode: Episode, renderer: Renderer) -> Iterator[list[_State]]:
    """Runs of states, split where oldest steps were dropped."""
    talk = Dialogue(
        TAGS_1, DEFAULT_TAGS, episode.instructions, renderer=renderer, example=episode.example
    )
    states: list[_State] = []
    dropped = 0
    for number, step in enumerate(episode.steps):
        talk.observe(step.observation, None)
        if talk.dropped_steps != dropped:
            yield states
            states, dropped = [], talk.dropped_steps
        states.append(_State(number, step, talk.segments()))
        talk.act(step.executed, None)
    if states:
        yield states


def prompt_ids(episode: Episode, step: int, mode: str, renderer: Renderer) -> tuple[int, ...]:
    """What inference reads at a step in a mode: prompt and prefill."""
    talk = Dialogue(
        TAGS_1, DEFAULT_TAGS, episode.instructions, renderer=renderer, example=episode.example
    )
    for before in episode.steps[:step]:
        talk.observe(before.observation, None)
        talk.act(before.executed, None)
    talk.observe(episode.steps[step].observation, None)
    asked = talk.request(mode, sampling=Sampling(), seed=0, cache_key="", max_new_tokens=1)
    return (*(asked.token_ids or ()), *asked.prefill_ids)


def _grow(
    episode: Episode, states: Sequence[_State], renderer: Renderer, objective: Objective
) -> Tree:
    grower = Grower()
    node: int | None = None
    shown = 0  # segments of the prompt that are in the trunk
    for state in states:
        fresh = state.prompt[shown:]
        start = len(grower.ids)
        node = grower.add(node, [id_ for segment in fresh for id_ in segment.ids])
        shown = len(state.prompt)
        if objective.observations:
            _learn_observations(grower, fresh, start)
        name = f"{episode.id}:{state.number}"
        masked = is_masked(name, objective.mask_fraction, objective.seed)
        for target in objective.targets(name):
            reply = _reply(episode, state.step, target, renderer)
            begin = len(grower.ids)
            grower.add(node, [id_ for segment in reply for id_ in segment.ids])
            kind = state.step.action.split(" ", 1)[0]
            example = Example(name, target, kind, spans_of(reply, begin))
            grower.learn(example, masked=masked)
    return grower.tree()


def _learn_observations(grower: Grower, segments: Sequence[Segment], start: int) -> None:
    for span in spans_of(segments, start):
        if span.kind == "observation":
            grower.labels[span.start : span.end] = grower.ids[span.start : span.end]


def _reply(episode: Episode, step: Step, target: Target, renderer: Renderer) -> tuple[Segment, ...]:
    """The whole reply, up to the token that ends the turn (where the template has one)."""
    if target == "cot" and not step.thought:
        raise CoTGapError(
            f"the expert of {episode.panel} gives no reasons, so there is nothing to train mode "
            "cot on. Give --mix direct=1"
        )
    thought = step.thought if target == "cot" else None
    reply = renderer.pieces(reply_parts(step.action, thought, DEFAULT_TAGS))
    for segment in reply:
        check_text(renderer, segment, episode.id)
    if renderer.turn_end is None:
        return reply
    (end,) = renderer.pieces([Part("frame", renderer.framing.end)])
    stop = end.ids.index(renderer.turn_end) + 1
    return (*reply, Segment("frame", end.text, end.ids[:stop]))


def check_text(renderer: Renderer, segment: Segment, where: str) -> None:
    """Raise `CoTGapError` unless a segment's tokens give back its text."""
    found = renderer.decode(segment.ids)
    if found.removeprefix(" ") != segment.text.removeprefix(" "):
        raise CoTGapError(
            f"episode {where}: the tokenizer writes the {segment.kind} {segment.text!r:.60} back "
            f"as {found!r:.60}. Train with a tokenizer that keeps text (byte-level or with bytes "
            "to fall back on)"
        )


def spans_of(segments: Sequence[Segment], start: int) -> tuple[Span, ...]:
    """The spans of consecutive segments, the first of which begins at `start`."""
    spans = []
    for segment in segments:
        spans.append(Span(segment.kind, start, start + len(segment.ids)))
        start += len(segment.ids)
    return tuple(spans)
