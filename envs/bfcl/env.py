"""The Gymnasium environment of BFCL's multi-turn tasks."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from typing import Any

import gymnasium

from cotgap.envs.bfcl.calls import MAX_LENGTH, canonical
from cotgap.envs.bfcl.data import Item
from cotgap.envs.bfcl.draws import draw_action
from cotgap.envs.bfcl.episode import MAX_STEPS, Answer, Episode, listed, request_of
from cotgap.envs.bfcl.rationale import rationale
from cotgap.envs.core import Outcome, Panel, Task, TextEnv
from cotgap.envs.spaces import TEXT_CHARSET, TextSpace

MAX_OBSERVATION = 131_072
"""Characters of an observation. The longest of a ground truth has 31,706."""
INSTRUCTIONS = f"""\
You help a user by calling functions. The conversation has several turns. In each, the user asks \
for something; call functions until it is done as well as it can be, then end the turn with an \
empty list. You cannot answer in words.
Each reply is one list of calls, with every argument named and every value written as in Python: \
[first_function(a="text", b=1.5), second_function(c=["x", "y"], d=True)]
The calls are made in that order, and you are shown their results, one a line. Messages of the \
user begin with "User:".
[] ends the turn: give it once the request is met, or if no function can meet it, or if the user \
has left out something that you need. A turn has at most {MAX_STEPS} replies before it.
Some functions may appear later in the conversation."""
FORBIDDEN = re.compile(f"[^{re.escape(''.join(sorted(TEXT_CHARSET)))}]")


class BFCLEnv(TextEnv):
    """A conversation with a user who wants things done; see `cotgap.envs.bfcl` and `INSTRUCTIONS`.

    Observation: the user's message when a turn begins, the results of the calls otherwise, each
    as the official backends print it. Characters outside the space's set are written as escapes,
    and a longer text than the space allows is cut off (no ground truth makes one). Reward: 1
    when the conversation ends and the package's checker accepts all calls made. Lost: it does not
    accept them, a turn has more than 20 steps besides its end, or `cotgap.envs.bfcl.backend`'s
    limits are exceeded. The panel's step limit is what these rules allow at most.

    The same actions give the same texts, with two exceptions that come with the backends: one
    compares travellers' dates of birth with today's, and since Python 3.12 `sum` rounds floats
    better, which changes the last digit of some statistics. Verdicts do not depend on either,
    since the ground truth is executed beside the calls.

    `load(task)` returns the content of one of the panel's tasks.
    """

    def __init__(self, panel: Panel, load: Callable[[Task], Item], **options: Any) -> None:
        super().__init__(panel, **options)
        self.observation_space = TextSpace(MAX_OBSERVATION)
        self.action_space = TextSpace(MAX_LENGTH)
        self._load_item = load
        self._episode: Episode | None = None

    @property
    def episode(self) -> Episode:
        """The running episode; raises `gymnasium.error.ResetNeeded` before a reset."""
        if self._episode is None:
            raise gymnasium.error.ResetNeeded("call reset() before anything else")
        return self._episode

    def _start(self, task: Task, seed: int) -> Outcome:
        self._episode = Episode.begin(self._load_item(task))
        return _outcome(Answer(self._episode.said))

    def _act(self, action: str) -> Outcome:
        return _outcome(self.episode.act(action))

    def close(self) -> None:
        """Forget the running episode."""
        self._episode = None

    @property
    def goal(self) -> str:
        """What the user says first."""
        return request_of(self.episode.item, 0)

    @property
    def instructions(self) -> str:
        """The panel's, and the documentation of the functions shown from the start."""
        return f"{self.panel.instructions}\n\nFunctions:\n{listed(self.episode.item.functions)}"

    def sample_action(self, dice: random.Random) -> str:
        """A call of a function shown so far with fitting values, or `[]`."""
        return draw_action(self.episode, dice)

    def canonical(self, action: str) -> str:
        """Quotes, white space and the order of arguments do not matter: see `calls.canonical`."""
        return canonical(action)

    def expert_action(self) -> str:
        """Plays the ground truth, a call at a time; see `Episode.expert_action`."""
        return self.episode.expert_action()

    def rationale(self, action: str) -> str:
        """An argument for an action from the turn's request and the last results."""
        return rationale(self.episode, action)

    def snapshot(self) -> tuple[Any, ...]:
        """A copy of the episode; its size is that of the backends' state."""
        return self._save(), copy.deepcopy(self.episode)

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Go back to a snapshot, of this or an earlier episode."""
        base, episode = saved
        self._episode = copy.deepcopy(episode)
        self._load(base)


def _outcome(answer: Answer) -> Outcome:
    text = FORBIDDEN.sub(_escaped, answer.text)
    if len(text) > MAX_OBSERVATION:
        marker = f"... [{len(text):,} characters in all]"
        text = text[: MAX_OBSERVATION - len(marker)] + marker
    return Outcome(text, float(answer.won), answer.won, answer.lost, answer.valid)


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
