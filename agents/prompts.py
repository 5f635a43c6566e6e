"""One episode's conversation, and the requests it gives at each state."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cotgap.agents.core import AFTER_THOUGHT, Message, Request, Sampling, Tags
from cotgap.agents.modes import get_mode
from cotgap.agents.protocol import PromptProtocol, ask_for, system_message
from cotgap.agents.rendering import Part, Renderer, Segment, Turn
from cotgap.envs.core import CoTGapError, TextEnv

# Tokens kept free for a reply unless told otherwise: 448 of reasoning and 64 of action.
REPLY_TOKENS = 512
# The action in the reply format's example unless the suite names a better one.
EXAMPLE = "look"
# How much of the room for the prompt is still used after steps were dropped. The rest is filled
# before any more are dropped, so that the prompt's beginning stays the same for a while.
KEPT = 0.75

LEFT_OUT = "\n\n[Earlier steps left out: {}]\n\n"

ShotStep = tuple[str, str, str, Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Shot:
    """An expert episode to learn from: (observation, action, thought, admissible actions) each."""

    steps: Sequence[ShotStep]


class Dialogue:
    """One episode's conversation: alternate `observe` and `act`; `request` in between.

    `reserve` is the longest reply (in tokens, of any mode) that will be asked for. When the
    conversation plus that no longer fits the model's context, the oldest steps are left out
    behind a marker: the first user turn stays (it holds the goal), then follow the marker and the
    observation that the first kept action answered. Which steps are left out depends on the
    conversation alone, not on modes or on what was requested. If nothing is left to drop in a later
    step, the prompt is too long and the reply comes back empty, cut by length.

    `example` is an action of the suite, for the reply format.

    Raises `CoTGapError` if the number of shots is not the protocol's.
    """

    def __init__(
        self,
        protocol: PromptProtocol,
        tags: Tags,
        instructions: str,
        shots: Sequence[Shot] = (),
        *,
        renderer: Renderer | None = None,
        reserve: int = REPLY_TOKENS,
        example: str = EXAMPLE,
    ) -> None:
        if len(shots) != protocol.shots:
            raise CoTGapError(
                f"protocol {str(protocol)!r} shows {protocol.shots} expert episodes, "
                f"but {len(shots)} were given"
            )
        self._protocol, self._tags = protocol, tags
        self._renderer, self._reserve = renderer, reserve
        system = system_message(instructions, tags, example)
        self._system = Turn("system", (Part("instructions", system),))
        self._shots = self._shot_turns(shots)
        self._observations: list[Turn] = []
        self._actions: list[Turn] = []
        self.dropped_steps = 0
        # What is shown up to the last observation, kept so that a step costs what is new in it.
        self._messages: tuple[Message, ...] = ()
        self._prompt: tuple[int, ...] = ()
        self._opening = 0
        """How many tokens the conversation takes up to the first observation, and `_sizes` how many
        each action takes, with the observation that answered it."""
        self._sizes: list[int] = []

    def observe(self, text: str, admissible: Sequence[str] | None) -> None:
        """What the environment says now.

        `admissible` is shown where the protocol says so; raises `CoTGapError` where it is None
        then or where the conversation's beginning, which is never left out, already fills the
        model's context; and `ValueError` out of turn.
        """
        if len(self._observations) != len(self._actions):
            raise ValueError("observe() twice without act()")
        parts = self._observation(text, admissible)
        if self._shots and not self._observations:
            parts = (Part("marker", "[Your task]\n\n"), *parts)
        self._observations.append(Turn("user", parts))
        if len(self._observations) == 1:
            self._show_all()
            self._opening = len(self._prompt)
        else:
            self._show_step()
        self._drop_what_does_not_fit()

    def act(self, action: str | None, thought: str | None) -> None:
        """What the agent did (None: it gave no action); raises `ValueError` out of turn."""
        if len(self._observations) != len(self._actions) + 1:
            raise ValueError("act() without observe()")
        self._actions.append(self._reply(action, thought))

    def request(
        self,
        mode: str,
        *,
        sampling: Sampling,
        seed: int,
        cache_key: str,
        max_new_tokens: int,
        env: TextEnv | None = None,
    ) -> Request:
        """The request for a decision in that mode at this state.

        Raises `UnknownNameError` for an unknown mode and `ValueError` out of turn, or if
        `max_new_tokens` is more than was reserved.
        """
        if len(self._observations) != len(self._actions) + 1:
            raise ValueError("request() without observe()")
        if max_new_tokens > self._reserve:
            raise ValueError(
                f"a reply of {max_new_tokens} tokens is asked for, but the dialogue keeps "
                f"{self._reserve} free: give it reserve={max_new_tokens} or more"
            )
        decoding, renderer = get_mode(mode), self._renderer
        prefill = decoding.prefill(self._tags)
        messages, prompt = self._messages, self._prompt
        if self._protocol.asked:
            turns = self.turns()
            asked = Turn("user", (*turns[-1].parts, Part("frame", ask_for(prefill))))
            messages, prompt = (*messages[:-1], asked.message), self._ids((*turns[:-1], asked))
            prefill = ""
        return Request(
            messages=messages,
            prefill=prefill,
            stop=decoding.stop(self._tags),
            max_new_tokens=max_new_tokens,
            mode=decoding.name,
            sampling=sampling,
            seed=seed,
            cache_key=cache_key,
            token_ids=None if renderer is None else prompt,
            prefill_ids=() if renderer is None else renderer.encode(prefill, True),
            dropped_steps=self.dropped_steps,
            step=len(self._actions),
            tags=self._tags,
            env=env,
        )

    def fork(self) -> Dialogue:
        """The same conversation so far, which goes on independently."""
        twin = copy.copy(self)
        twin._observations, twin._actions = list(self._observations), list(self._actions)
        twin._sizes = list(self._sizes)
        return twin

    def turns(self) -> tuple[Turn, ...]:
        """The conversation as it is shown, without dropped steps."""
        dropped, rest = self.dropped_steps, self._observations[1:]
        shown = [self._system, *self._shots, self._first(dropped)]
        for action, observation in zip(self._actions[dropped:], rest[dropped:], strict=False):
            shown += [action, observation]
        return tuple(shown + self._actions[len(rest) :])

    def segments(self) -> tuple[Segment, ...]:
        """The rendered conversation; raises `ValueError` for a backend without a tokenizer."""
        if self._renderer is None:
            raise ValueError("this dialogue has no renderer")
        return self._renderer.segments(self.turns())

    def _show_all(self) -> None:
        """Render everything that is shown."""
        turns = self.turns()
        self._messages = tuple([turn.message for turn in turns])
        self._prompt = self._ids(turns)

    def _show_step(self) -> None:
        """Render the last action and the observation that answered it, behind all that was."""
        action, observation = self._actions[-1], self._observations[-1]
        self._messages += (action.message, observation.message)
        if (renderer := self._renderer) is not None:
            step = renderer.step(action, observation)
            self._sizes.append(len(step))
            self._prompt += tuple(step)

    def _ids(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        """A conversation's token ids; none without a tokenizer."""
        segments = () if self._renderer is None else self._renderer.segments(turns)
        return tuple([id_ for segment in segments for id_ in segment.ids])

    def _drop_what_does_not_fit(self) -> None:
        if self._renderer is None:
            return
        tails = (self._tags.think_open, self._tags.action_open)
        if self._protocol.asked:
            tails = (ask_for(tails[0]), ask_for(tails[1]))
        prefill = max(len(self._renderer.encode(tail, True)) for tail in tails)
        room = self._renderer.context - self._reserve - prefill
        length = len(self._prompt)
        if not self._actions and length >= room:
            raise CoTGapError(
                f"the model's context of {self._renderer.context} tokens is too small: the "
                f"instructions, {self._protocol.shots} expert episodes and the first observation "
                f"take {length}, and {self._reserve + prefill} are reserved for the reply. "
                "To fix it: smaller --thought-tokens or --action-tokens, or fewer +shots"
            )
        if length > room:
            self.dropped_steps = self._to_drop(KEPT * room)
            self._show_all()

    def _to_drop(self, room: float) -> int:
        """How many of the oldest steps to leave out, so that what is shown takes `room` tokens."""
        dropped = self.dropped_steps
        others = self._opening - self._first_size(0) + sum(self._sizes[dropped:])
        while dropped < len(self._actions) and others + self._first_size(dropped) > room:
            others -= self._sizes[dropped]
            dropped += 1
        return dropped

    def _first_size(self, dropped: int) -> int:
        """How many tokens the first user turn takes where so many steps are left out."""
        assert self._renderer is not None
        inner = self._renderer.framing.merged and not self._shots
        return len(self._renderer.turn(self._first(dropped), inner=inner))

    def _first(self, dropped: int) -> Turn:
        """The first user turn, in which steps are left out behind a marker."""
        first = self._observations[0]
        if not dropped:
            return first
        return Turn("user", (*first.parts, _left_out(dropped), *self._observations[dropped].parts))

    def _observation(self, text: str, admissible: Sequence[str] | None) -> tuple[Part, ...]:
        if not self._protocol.admissible:
            return (Part("observation", text),)
        if admissible is None:
            raise CoTGapError(
                "this environment cannot list its admissible actions; "
                "leave +admissible out of the protocol"
            )
        listing = "".join(f"\n- {action}" for action in admissible)
        return (Part("observation", f"{text}\n\nAdmissible actions:{listing}"),)

    def _reply(self, action: str | None, thought: str | None) -> Turn:
        kept = thought if self._protocol.thoughts else None
        return Turn("assistant", reply_parts(action or "", kept, self._tags))

    def _shot_turns(self, shots: Sequence[Shot]) -> list[Turn]:
        turns = []
        for number, shot in enumerate(shots, start=1):
            label = Part("marker", f"[Example {number} of {len(shots)}]\n\n")
            for index, (text, action, thought, admissible) in enumerate(shot.steps):
                parts = self._observation(text, admissible)
                turns.append(Turn("user", parts if index else (label, *parts)))
                turns.append(self._reply(action, thought))
        return turns


def reply_parts(action: str, thought: str | None, tags: Tags) -> tuple[Part, ...]:
    """A whole reply as parts (`thought` None: the action alone), for histories and training."""
    act = (Part("tag", tags.action_open), Part("action", action), Part("tag", tags.action_close))
    if thought is None:
        return act
    think = (Part("tag", tags.think_open), Part("thought", thought), Part("tag", tags.think_close))
    return (*think, Part("frame", AFTER_THOUGHT), *act)


def leave_out(request: Request, steps: int) -> Request:
    """An unrendered request without its `steps` oldest steps, as a `Dialogue` leaves them out.

    For backends that cannot count tokens, and learn from a refusal that a prompt is too long.
    """
    steps = min(steps, request.step)
    if not steps:
        return request
    shown = 1 + 2 * request.step  # of the messages: an observation, then an action and another each
    before, (first, *rest) = request.messages[:-shown], request.messages[-shown:]
    text = first.content + LEFT_OUT.format(steps) + rest[2 * steps - 1].content
    messages = (*before, Message("user", text), *rest[2 * steps :])
    return replace(request, messages=messages, dropped_steps=steps)


def leave_out_more(request: Request, shown: Request) -> Request:
    """Without so many steps more than `shown` that a share of it is left, or without all."""
    wanted = KEPT * sum(len(message.content) for message in shown.messages)
    fewer = shown
    for steps in range(shown.dropped_steps + 1, request.step + 1):
        fewer = leave_out(request, steps)
        if sum(len(message.content) for message in fewer.messages) <= wanted:
            break
    return fewer


def _left_out(steps: int) -> Part:
    """Stands where so many of the oldest steps are not shown."""
    return Part("marker", LEFT_OUT.format(steps))
