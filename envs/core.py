"""The environment interface: task keys, panels and their locks, suites, `TextEnv`, capabilities.

Everything that plays, measures or trains sees environments through this module only. A suite is
one sibling module with a `SUITE` object; see `cotgap.envs.toy` for the smallest complete one.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import random
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import gymnasium

from cotgap.envs.spaces import TextSpace

REPOSITORY = "CoTGap's repository (`pip show --verbose cotgap` prints its address)"
"""Where messages send their reader for what an installed copy does not hold."""


class CoTGapError(Exception):
    """A problem its user can solve: the message names the bad value, the options and the fix."""


class UnknownNameError(CoTGapError):
    """A name (suite, panel, task, mode, agent) that does not exist, with near names suggested."""

    def __init__(self, kind: str, name: str, options: Iterable[str], hint: str = "") -> None:
        known = list(options)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        parts = [f"unknown {kind} {name!r}."]
        if near:
            parts.append(f"Did you mean {' or '.join(map(repr, near))}?")
        if known and len(known) <= 40:
            parts.append(f"Known: {', '.join(known)}.")
        super().__init__(" ".join(parts + ([hint] if hint else [])))


class SuiteUnavailableError(CoTGapError):
    """A suite that cannot be used now (missing extra or data); `fix` is the command that helps."""

    def __init__(self, suite: str, reason: str, fix: str) -> None:
        super().__init__(f"suite {suite!r} is not usable: {reason}. To fix it: {fix}")
        self.suite, self.reason, self.fix = suite, reason, fix


class TaskUnavailableError(CoTGapError):
    """A task of a panel that is missing or is not what the panel's lock says it is."""


@dataclass(frozen=True, slots=True, order=True)
class TaskKey:
    """Names one episode's start, on every machine.

    Written `suite/split/task#seed`. A task id may hold slashes; a suite or split may not.
    `seed` is the environment's own randomness (0 where it has none), not the agent's.
    """

    suite: str
    split: str
    task: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.suite}/{self.split}/{self.task}#{self.seed}"

    @property
    def panel(self) -> str:
        """`suite/split`, the panel's name on the command line."""
        return f"{self.suite}/{self.split}"

    @classmethod
    def parse(cls, text: str) -> TaskKey:
        """Read `suite/split/task[#seed]`; raises `CoTGapError` on any other form."""
        body, _, seed = text.partition("#")
        parts = body.split("/", 2)
        if len(parts) != 3 or not all(parts) or not re.fullmatch("[0-9]*", seed):
            raise CoTGapError(
                f"bad task key {text!r}: expected SUITE/SPLIT/TASK or SUITE/SPLIT/TASK#SEED"
            )
        return cls(parts[0], parts[1], parts[2], int(seed or 0))


@dataclass(frozen=True, slots=True)
class Task:
    """A panel's item: its id, the SHA-256 of its content, and its kind (task type), if any."""

    id: str
    content: str
    kind: str = ""


@dataclass(frozen=True)
class Panel:
    """A named, ordered, fixed list of tasks; same `lock` if and only if numbers are comparable."""

    suite: str
    split: str
    tasks: tuple[Task, ...]
    version: str
    step_limit: int
    instructions: str
    """What the agent is told of the task format and the action grammar (part of the lock)."""
    example: str
    """An action, to show the reply format with (part of the lock)."""
    wording: str = "default"
    simplifications: str = ""
    description: str = ""
    shots_from: str = "train"
    """The split of the expert examples; it has nothing that this panel holds out."""
    base: str = ""
    """The split that this panel narrows to some tasks or plays in another way; empty: none."""
    variant: str = ""
    """How this panel plays the tasks of `base` differently (a wording, say); empty: it does not."""
    holds_out: str = ""
    """The axis along which the tasks differ from the suite's training panel; empty: none."""
    compared_with: str = ""
    """The split of this suite that lacks what this panel holds out; empty: there is none."""
    _index: dict[str, Task] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {task.id: task for task in self.tasks})
        if len(self._index) != len(self.tasks):
            raise ValueError(f"panel {self.name} lists a task twice")

    @property
    def name(self) -> str:
        """`suite/split`."""
        return f"{self.suite}/{self.split}"

    @property
    def family(self) -> str:
        """The split that this panel belongs to: its `base`, or itself."""
        return self.base or self.split

    @property
    def reference(self) -> str:
        """The name (`suite/split`) of the panel that it is compared with; empty: there is none."""
        return f"{self.suite}/{self.compared_with}" if self.compared_with else ""

    def __len__(self) -> int:
        return len(self.tasks)

    def task(self, task_id: str) -> Task:
        """The item of that id; raises `UnknownNameError`."""
        try:
            return self._index[task_id]
        except KeyError:
            raise UnknownNameError(f"task of {self.name}", task_id, self._index) from None

    def key(self, task_id: str, seed: int = 0) -> TaskKey:
        """The task key of an item; raises `UnknownNameError`."""
        return TaskKey(self.suite, self.split, self.task(task_id).id, seed)

    def with_step_limit(self, steps: int | None) -> Panel:
        """The same panel under another step limit (and so another lock)."""
        return self if steps is None else replace(self, step_limit=steps)

    @property
    def lock(self) -> str:
        """SHA-256 (hex) over everything that can change a score."""
        content = {
            "suite": self.suite,
            "version": self.version,
            "tasks": [[task.id, task.content] for task in self.tasks],
            "wording": self.wording,
            "instructions": self.instructions,
            "example": self.example,
            "step_limit": self.step_limit,
            "simplifications": self.simplifications,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one action did, as a suite reports it to `TextEnv`.

    `score` lies within the suite's `score_range`; `won` is the suite's official success
    criterion; `lost` ends the episode as a failure; `valid` is False where the environment did
    not accept the action.
    """

    observation: str
    score: float
    won: bool
    lost: bool = False
    valid: bool = True


OBSERVATION_LENGTH = 16_384
ACTION_LENGTH = 4_096


class TextEnv(gymnasium.Env[str, str], ABC):
    """A text environment over one panel.

    `reset(seed=None, options={"task": id})` starts that task; without the option a task of the
    panel is drawn by the environment's own generator. `step(action)` takes any string, stripped
    or not: what the environment cannot use is an invalid action, never an exception; the empty
    string stands for "the agent gave no action".

    Observation: the text after the action. Reward: the change of `score`. `terminated`: won or
    lost. `truncated`: the step limit is reached without termination.

    `info` holds `task_key` (str), `goal` (str), `won` (bool), `score` (float), `steps` (int,
    actions taken), `valid` (bool, whether the last action was accepted) and, with `list_actions`
    and where the suite can list them, `admissible_actions` (list of str). A suite that lists them
    slowly makes `list_actions=False` its default.
    """

    seeded = False
    """Whether a task's seed changes anything; where not, it is 0 in every task key."""
    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012

    def __init__(
        self, panel: Panel, *, list_actions: bool = True, render_mode: str | None = None
    ) -> None:
        self.panel = panel
        self.render_mode = render_mode
        self.list_actions = list_actions
        self.observation_space = TextSpace(OBSERVATION_LENGTH)
        self.action_space = TextSpace(ACTION_LENGTH)
        self.default_key: TaskKey | None = None
        """What a `reset()` without seed and options starts, if set (see `cotgap.envs.make`)."""
        self.next_task: str | None = None
        """The task that the next `reset()` starts, if set (see `cotgap.envs.make_vec`)."""
        self._key: TaskKey | None = None
        self._steps = 0
        self._score = 0.0
        self._last = Outcome("", 0.0, won=False)

    # A suite implements these.

    @abstractmethod
    def _start(self, task: Task, seed: int) -> Outcome:
        """Begin an episode; the outcome's observation is the first one."""

    @abstractmethod
    def _act(self, action: str) -> Outcome:
        """Apply an action (any string)."""

    @property
    @abstractmethod
    def goal(self) -> str:
        """The current task in one sentence."""

    @property
    def instructions(self) -> str:
        """What the agent is told of the running task's format and actions.

        The panel's, unless each task brings its own documentation (which its content hash covers).
        """
        return self.panel.instructions

    def admissible_actions(self) -> list[str] | None:
        """Every action the environment would accept now, or None where it cannot list them."""
        return None

    def sample_action(self, dice: random.Random) -> str | None:
        """A random action for the current state, or None where none can be drawn.

        It is one of the admissible actions; a suite that cannot list them overrides this method.
        """
        actions = self.admissible_actions()
        return dice.choice(actions) if actions else None

    # Callers use these.

    @property
    def task_key(self) -> TaskKey:
        """The running episode's key; raises `gymnasium.error.ResetNeeded` before a reset."""
        if self._key is None:
            raise gymnasium.error.ResetNeeded("call reset() before anything else")
        return self._key

    @property
    def steps(self) -> int:
        """Actions taken in the running episode."""
        return self._steps

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start a task; returns (observation, info).

        Raises `UnknownNameError` for a task that the panel does not have, `TaskUnavailableError`
        for one whose data is missing or changed.
        """
        super().reset(seed=seed)
        task, self.next_task = (options or {}).get("task") or self.next_task, None
        key = self._choose(seed, task)
        self._key = None  # a failing start leaves no half-begun episode behind
        self._last = self._start(self.panel.task(key.task), key.seed)
        self._key, self._steps, self._score = key, 0, self._last.score
        return self._last.observation, self._info()

    def _choose(self, seed: int | None, task: str | None) -> TaskKey:
        if task is None and seed is None and self.default_key is not None:
            task, seed = self.default_key.task, self.default_key.seed
        if task is None:
            task = self.panel.tasks[int(self.np_random.integers(len(self.panel)))].id
        return self.panel.key(task, (seed or 0) if self.seeded else 0)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take an action; returns (observation, reward, terminated, truncated, info)."""
        if self._key is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        outcome = self._last = self._act(action)
        self._steps += 1
        reward, self._score = outcome.score - self._score, outcome.score
        terminated = outcome.won or outcome.lost
        truncated = not terminated and self._steps >= self.panel.step_limit
        return outcome.observation, reward, terminated, truncated, self._info()

    def render(self) -> str | None:
        """The last observation, in render mode `ansi`."""
        return self._last.observation if self.render_mode == "ansi" else None

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {
            "task_key": str(self._key),
            "goal": self.goal,
            "won": self._last.won,
            "score": self._last.score,
            "steps": self._steps,
            "valid": self._last.valid,
        }
        if self.list_actions and (actions := self.admissible_actions()) is not None:
            info["admissible_actions"] = actions
        return info

    def _save(self) -> tuple[Any, ...]:
        """The part of a snapshot that this class owns; for a suite's `snapshot()`."""
        return self._key, self._steps, self._score, self._last

    def _load(self, saved: tuple[Any, ...]) -> None:
        self._key, self._steps, self._score, self._last = saved


# Capabilities: optional, discovered with isinstance() on the unwrapped environment, never by name.


@runtime_checkable
class Snapshots(Protocol):
    """Can go back: `restore(snapshot())` leaves the environment exactly as it was."""

    def snapshot(self) -> Any:
        """An opaque, immutable value."""

    def restore(self, saved: Any) -> None:
        """Return to the state of an earlier `snapshot()` of this environment."""


@runtime_checkable
class Oracle(Protocol):
    """Knows the whole state and the shortest way to success."""

    def cost_to_go(self) -> int | None:
        """Fewest actions from here to success (0 when won), or None if there is no way."""


@runtime_checkable
class Expert(Protocol):
    """Acts well from what the agent could know."""

    def expert_action(self) -> str:
        """The expert's next action in the current state."""


@runtime_checkable
class Canonical(Protocol):
    """Knows which action strings mean the same."""

    def canonical(self, action: str) -> str:
        """A normal form: two actions are equal if and only if their normal forms are."""


@runtime_checkable
class Rationale(Protocol):
    """Can argue for an action in words."""

    def rationale(self, action: str) -> str:
        """One or two sentences, first person, from what has been seen, that argue for `action`."""


@runtime_checkable
class Endless(Protocol):
    """A panel with endlessly many tasks besides those it lists; training draws on them."""

    def unlisted(self, number: int) -> str:
        """The id of the unlisted task with that number (from 0); `reset` starts it."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a suite can be played now; if not, why, and the exact command that changes it."""

    usable: bool
    reason: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `cotgap doctor`: a fact (`ok`), something to know (`note`), or a `problem`."""

    level: Literal["ok", "note", "problem"]
    text: str
    fix: str = ""


# Proper names that are not spelled like their suites in CamelCase.
SPELLINGS = {
    "alfworld": "ALFWorld",
    "bfcl": "BFCL",
    "scienceworld": "ScienceWorld",
    "textworld": "TextWorld",
}


def env_id(suite: str) -> str:
    """The Gymnasium id of a suite, by its name alone: `my_suite` is `cotgap/MySuite-v0`."""
    words = re.split("[_-]", suite)
    spelled = SPELLINGS.get(suite) or "".join(word[:1].upper() + word[1:] for word in words)
    return f"cotgap/{spelled}-v0"


class Suite(ABC):
    """A family of tasks with one interface; each suite module has one instance, `SUITE`."""

    name: ClassVar[str]
    """The name of its module, or of its entry point."""
    version: ClassVar[str]
    """Changed whenever the same actions could give another text or score."""
    step_limit: ClassVar[int]
    score_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    extra: ClassVar[str | None] = None
    """The pip extra that this suite needs to be played, if any."""
    provenance: ClassVar[str]
    """Where tasks and success criterion come from."""
    costly: ClassVar[bool] = False
    """Whether a step takes milliseconds. Such environments run in worker processes, so that a model
    does not wait for them."""

    @property
    @abstractmethod
    def panels(self) -> Mapping[str, Panel]:
        """Split → panel, main ones first. Listing needs neither the extra nor the data."""

    @abstractmethod
    def make(self, panel: Panel | None = None, **options: Any) -> TextEnv:
        """An environment over `panel` (None: the suite's default, or what `options` name).

        Raises `SuiteUnavailableError` where the suite cannot be played.
        """

    def availability(self) -> Availability:
        """Whether the suite is usable now (cheap: called for every listing)."""
        return Availability(usable=True)

    def check(self, panel: Panel, tasks: Sequence[str]) -> None:
        """Raise `TaskUnavailableError` if any of a panel's tasks cannot be played, naming them."""
        for task in tasks:
            panel.task(task)

    def diagnose(self) -> Iterator[Finding]:
        """A thorough check of extra, data and versions (may take seconds)."""
        now = self.availability()
        yield Finding("ok", "usable") if now.usable else Finding("note", now.reason, now.fix)

    def panel(self, split: str) -> Panel:
        """The panel of a split; raises `UnknownNameError`."""
        try:
            return self.panels[split]
        except KeyError:
            raise UnknownNameError(f"panel of suite {self.name!r}:", split, self.panels) from None

    @property
    def env_id(self) -> str:
        """The Gymnasium id."""
        return env_id(self.name)
