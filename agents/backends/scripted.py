"""Agents without a model: random, expert, noisy expert, do-nothing, given replies, any callable.

Scripted replies are written in the mode's own format and go through the same parser as a model's.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import random
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.agents.backends.core import BackendKind, NoOptions
from cotgap.agents.core import BackendError, Completion, Request, Usage
from cotgap.agents.modes import get_mode
from cotgap.agents.protocol import TAGS_1, PromptProtocol
from cotgap.agents.rendering import Renderer
from cotgap.agents.text import cut_at_stop
from cotgap.envs.core import CoTGapError, Expert, Rationale, TextEnv

Policy = Callable[[Request], tuple[str, str]]
"""(thought, action) at a state; the request holds the environment and a seed."""
Speaker = Callable[[Request], str]
"""The reply after the prefill."""

NOTHING = "do nothing"  # an action that no environment knows
NOISE: Mapping[str, float] = {"prompt": 0.4, "cot": 0.15}


class ScriptedBackend:
    """Answers each request with what `speaker` says.

    `parameters` (JSON-able, `policy` among them) say which script it is; with `source`, the code
    behind it, they make the fingerprint. Token limits do not apply. `reads_prefill` says whether
    the speaker goes by what a reply is made to start with (see `cotgap.agents.forcing`).
    """

    name = "scripted"
    renderer: Renderer | None = None

    def __init__(
        self,
        speaker: Speaker,
        parameters: Mapping[str, Any],
        *,
        source: str = "",
        batch_size: int = 16,
        reads_prefill: bool = False,
    ) -> None:
        self._speaker = speaker
        self.reads_prefill = reads_prefill
        self._parameters = dict(parameters)
        self.batch_size = batch_size
        content = json.dumps([self._parameters, source or _own_source()], sort_keys=True)
        self.fingerprint = hashlib.sha256(content.encode()).hexdigest()

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Raises `CoTGapError` where the script cannot play this, `BackendError` if it fails."""
        return [self._complete(request) for request in requests]

    def describe(self) -> dict[str, Any]:
        """The script's parameters."""
        return dict(self._parameters)

    def close(self) -> None:
        """Nothing is held."""

    def _complete(self, request: Request) -> Completion:
        begun = perf_counter()
        try:
            reply = self._speaker(request)
        except CoTGapError:
            raise
        except Exception as error:
            raise BackendError(f"the script failed: {type(error).__name__}: {error}") from error
        if not isinstance(reply, str):
            raise BackendError(f"the script answered {reply!r:.80}, not the text of a reply")
        text, stopped = cut_at_stop(reply, request.stop)
        usage = Usage(seconds=perf_counter() - begun)
        return Completion(text, "stop" if stopped else "eos", usage)


def from_policy(policy: Policy, parameters: Mapping[str, Any], **options: Any) -> ScriptedBackend:
    """A backend that writes a policy's (thought, action) in each mode's format."""

    def speak(request: Request) -> str:
        thought, action = policy(request)
        reply = get_mode(request.mode).write(action, thought, request.tags)
        return reply.removeprefix(request.prefill)

    return ScriptedBackend(speak, parameters, **options)


def from_replies(replies: Sequence[str], **options: Any) -> ScriptedBackend:
    """Gives the n-th reply (the text after the prefill) to an episode's n-th state."""

    def speak(request: Request) -> str:
        if request.step >= len(replies):
            raise CoTGapError(
                f"the list of {len(replies)} replies has none for step {request.step}; "
                "give as many as an episode may have steps"
            )
        return replies[request.step]

    return ScriptedBackend(speak, {"policy": "replies", "replies": list(replies)}, **options)


def from_callable(speaker: Speaker, **options: Any) -> ScriptedBackend:
    """Says what `speaker(request)` returns: the reply after the prefill, which it can read."""
    name = f"{speaker.__module__}:{getattr(speaker, '__qualname__', type(speaker).__qualname__)}"
    return ScriptedBackend(
        speaker,
        {"policy": "callable", "function": name},
        source=_source(speaker),
        **{"reads_prefill": True, **options},
    )


def random_agent(**options: Any) -> ScriptedBackend:
    """Any action that a random player could take (see `TextEnv.sample_action`), by the seed."""
    return from_policy(_random, {"policy": "random"}, **options)


def expert_agent(**options: Any) -> ScriptedBackend:
    """The environment's expert; it thinks the expert's rationale where there is one."""
    return from_policy(_expert, {"policy": "expert"}, **options)


def noop_agent(**options: Any) -> ScriptedBackend:
    """Does nothing at every state: the floor of every score."""
    return from_policy(lambda request: ("", NOTHING), {"policy": "noop"}, **options)


def noisy_agent(noise: Mapping[str, float] = NOISE, **options: Any) -> ScriptedBackend:
    """The expert, but with probability `noise[mode]` any admissible action instead.

    Modes that `noise` leaves out take their value from `NOISE`, and 0 if they are not there either.
    Raises `UnknownNameError` for an unknown mode and `CoTGapError` for a value outside [0, 1].
    """
    for mode, share in noise.items():
        get_mode(mode)
        if not 0 <= share <= 1:
            raise CoTGapError(f"noise {mode}={share} is no probability: give a value from 0 to 1")
    rates = dict(sorted({**NOISE, **noise}.items()))
    return from_policy(
        functools.partial(_noisy, rates), {"policy": "noisy", "noise": rates}, **options
    )


def _random(request: Request) -> tuple[str, str]:
    return "", _any_action(request, random.Random(request.seed))


def _expert(request: Request) -> tuple[str, str]:
    env = _env(request)
    if not isinstance(env, Expert):
        raise CoTGapError(
            f"suite {env.panel.suite!r} has no expert; choose another agent, such as random"
        )
    action = env.expert_action()
    return _argue(env, action), action


def _noisy(rates: Mapping[str, float], request: Request) -> tuple[str, str]:
    dice = random.Random(request.seed)
    if dice.random() >= rates.get(request.mode, 0.0):
        return _expert(request)
    action = _any_action(request, dice)
    return _argue(_env(request), action), action


def _any_action(request: Request, dice: random.Random) -> str:
    env = _env(request)
    action = env.sample_action(dice)
    if action is None and env.admissible_actions() is None:
        raise CoTGapError(
            f"suite {env.panel.suite!r} has no actions to draw from, neither listed nor sampled; "
            "choose another agent, such as noop"
        )
    return NOTHING if action is None else action


def _argue(env: TextEnv, action: str) -> str:
    return env.rationale(action) if isinstance(env, Rationale) else ""


def _env(request: Request) -> TextEnv:
    if request.env is None:
        raise CoTGapError("this scripted agent reads the environment: give the request its env")
    return request.env


def _source(speaker: Speaker) -> str:
    try:
        return inspect.getsource(inspect.unwrap(speaker))
    except (OSError, TypeError):  # defined at a prompt, or an instance
        return repr(type(speaker))


@functools.cache
def _own_source() -> str:
    return inspect.getsource(inspect.getmodule(ScriptedBackend) or ScriptedBackend)


SCRIPTS: Mapping[str, Callable[[], ScriptedBackend]] = {
    "expert": expert_agent,
    "noisy": noisy_agent,
    "noop": noop_agent,
    "random": random_agent,
}


def open_script(
    spec: str, options: NoOptions, protocol: PromptProtocol | None, batch_size: int | None
) -> Agent:
    """One of `SCRIPTS`, or `noisy:MODE=P,...`."""
    backend = SCRIPTS[spec]() if spec in SCRIPTS else noisy_agent(_noise(spec))
    return Agent(spec, spec, backend, protocol or TAGS_1)


def _noise(spec: str) -> dict[str, float]:
    noise = {}
    for option in spec.removeprefix("noisy:").split(","):
        mode, _, share = option.partition("=")
        try:
            noise[mode] = float(share)
        except ValueError:
            raise CoTGapError(
                f"bad agent {spec!r}: expected noisy:MODE=P,..., such as noisy:prompt=0.4,cot=0.15"
            ) from None
    return noise


BACKEND = BackendKind(
    name="scripted",
    open=open_script,
    names=tuple(SCRIPTS),
    schemes=("noisy",),
    forms=("noisy:MODE=P,...",),
)
