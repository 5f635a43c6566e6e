"""One BFCL episode: its turns and steps, the calls made, and how it ends."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from cotgap.envs.bfcl.backend import Backends, OvergrownError, check, truth_calls, verdict
from cotgap.envs.bfcl.calls import BadActionError, Call, parse, render
from cotgap.envs.bfcl.data import Doc, Item

MAX_STEPS = 20
"""Steps of a turn, not counting the `[]` that ends it; one more is a failure."""
APPEARED = "I have updated some more functions you can choose from. What about now?"
OVER = "The conversation is over."


@dataclass(frozen=True, slots=True)
class Answer:
    """What one action did: the text that the agent reads, and whether the episode is decided."""

    text: str
    valid: bool = True
    won: bool = False
    lost: bool = False


@dataclass(eq=False)
class Episode:
    """The state of a running episode. Deep copies are independent.

    `made[turn][step]` are the calls carried out, as the verdict gets them. `expected` are the
    calls of the running turn's ground truth that the agent has not made yet.
    """

    item: Item
    backends: Backends
    turn: int = 0
    steps: int = 0
    made: list[list[list[str]]] = field(default_factory=lambda: [[]])
    expected: list[Call] = field(default_factory=list)
    said: str = ""
    """The text of the last answer."""
    over: bool = False

    @classmethod
    def begin(cls, item: Item) -> Episode:
        """The first turn of a task."""
        episode = cls(item, Backends(item))
        episode._open_turn()
        return episode

    def __deepcopy__(self, memo: dict[int, object]) -> Episode:
        return Episode(
            self.item,
            copy.deepcopy(self.backends, memo),
            self.turn,
            self.steps,
            [list(turn) for turn in self.made],
            list(self.expected),
            self.said,
            self.over,
        )

    @property
    def request(self) -> str:
        """What the user says in the running turn."""
        return request_of(self.item, self.turn)

    @property
    def shown(self) -> tuple[Doc, ...]:
        """The functions that the agent has been told of."""
        docs = list(self.item.functions)
        for turn, appearing in self.item.appearing.items():
            docs += appearing if turn <= self.turn else ()
        return tuple(docs)

    def act(self, action: str) -> Answer:
        """Apply an action (any string)."""
        if self.over:
            return Answer(OVER, valid=False)
        try:
            calls = parse(action)
            for call in calls:
                check(call, self.item.documented)
        except BadActionError as error:
            answer = self._count(Answer(f"Error: {error}. Nothing was done.", valid=False))
        else:
            answer = self._carry_out(calls) if calls else self._end_turn()
        self.said, self.over = answer.text, answer.won or answer.lost
        return answer

    def _carry_out(self, calls: Sequence[Call]) -> Answer:
        results = []
        for call in calls:
            try:
                results.append(self.backends.run(call))
            except OvergrownError as error:
                return Answer(f"Error: {error}. {OVER}", lost=True)
            if call in self.expected:
                self.expected.remove(call)
        self.made[-1].append([str(call) for call in calls])
        return self._count(Answer("\n".join(results)))

    def _count(self, answer: Answer) -> Answer:
        """Count a step of the turn; a step beyond `MAX_STEPS` makes the answer a failure."""
        self.steps += 1
        if self.steps <= MAX_STEPS:
            return answer
        text = f"{answer.text}\n{OVER} A turn has at most {MAX_STEPS} steps."
        return Answer(text, valid=answer.valid, lost=True)

    def _end_turn(self) -> Answer:
        if self.turn + 1 == len(self.item.requests):
            won = verdict(self.item, self.made)
            return Answer(OVER, won=won, lost=not won)
        self.turn, self.steps = self.turn + 1, 0
        self.made.append([])
        self._open_turn()
        return Answer(self.said)

    def _open_turn(self) -> None:
        self.expected = truth_calls(self.item, self.turn)
        docs = self.item.appearing.get(self.turn)
        listing = f"{listed(docs)}\n" if docs else ""
        self.said = f"User: {listing}{self.request}"

    def expert_action(self) -> str:
        """The next call of the ground truth, or the end of the turn where none is left.

        Where more calls than steps are left, it makes as few calls per step as it can. Calls that
        the agent has made in this turn are not made again, and its other calls are not undone.
        """
        left = MAX_STEPS - self.steps
        if not self.expected or left <= 0 or self.over:
            return render(())
        return render(self.expected[: -(-len(self.expected) // left)])


def request_of(item: Item, turn: int) -> str:
    """What the user says in a turn, without the functions that appear in it."""
    said, appears = item.requests[turn], turn in item.appearing
    return "\n\n".join([said] * bool(said) + [APPEARED] * appears)


def listed(docs: Sequence[Doc]) -> str:
    """Documentation as the agent reads it: as shipped, one JSON object a line."""
    return "\n".join(json.dumps(doc) for doc in docs)
