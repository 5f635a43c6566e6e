"""Writes generated games as files that the stock engine and ALFWorld's own tools read.

The layout is ALFWorld's: `json_2.1.1/SPLIT/TASK/TRIAL/game.tw-pddl` beside a `traj_data.json` with
what ALFWorld's environment looks up there. The rules in the files (PDDL domain, grammar) are those
of the installed package `alfworld`, edited into the revision asked for and recognised by
`cotgap.envs.household.revisions`, so that they are known to be what released games carry.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final

from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.household.engine import World
from cotgap.envs.household.game import make_game
from cotgap.envs.household.generator import AXES, TRAIN, Generated, games
from cotgap.envs.household.generator.panels import SIZE
from cotgap.envs.household.generator.problem import sentence
from cotgap.envs.household.generator.tables import LOOK
from cotgap.envs.household.oracle import optimal_action
from cotgap.envs.household.revisions import with_task
from cotgap.envs.household.rules import Rules, package_rules
from cotgap.envs.household.wording import CURRENT, OLDER, PACKAGE, WORDINGS

LAYOUT: Final = "json_2.1.1"
GAME_FILE: Final = "game.tw-pddl"
# ALFRED numbers the scenes of a room kind from one above these.
_SCENES: Final = {"kitchen": 0, "living room": 200, "bedroom": 300, "bathroom": 400}

# An action of the grammar; the text's line breaks stand for themselves.
_HELP: Final = f"""action help {{
    template :: "help";
    feedback :: "
{CURRENT.help_reply}";
}}
"""
# (pattern, what replaces it), in the domain and in the grammar.
_TO_CURRENT: Final = (
    ((r";\s*(\(receptacleType \?r SinkType\))", r"\1"),),
    ((r"action help \{.*?\n\}\n", _HELP),),
)
_TO_OLDER: Final = (
    ((r"\(:action help\b.*?\n\)\n", ""),),
    (
        (r"action help \{.*?\n\}\n", ""),
        (r'template :: "move \{o\} to \{r\}"', f'template :: "{OLDER.put}"'),
        (r"You move the (\{o.name\}) to the", r"You put the \1 in/on the"),
        (r"(You arrive at )\{r.name\}", r"\1{lend.name}"),
    ),
)


@cache
def rules(wording: str) -> Rules:
    """The rules of a revision, made from those of the installed package `alfworld`.

    Raises `CoTGapError` for a wording that no game file has and for an unknown release of the
    package, `ALFWorldMissingError` without the package.
    """
    if wording not in WORDINGS:
        raise CoTGapError(
            f"files cannot carry the wording {wording!r}, which the stock engine does not know. "
            f"Choose one of: {', '.join(WORDINGS)}"
        )
    made = package_rules()
    if made.revision != PACKAGE.name:
        raise CoTGapError(
            "the installed package alfworld has other rules than release 0.4.2. To fix it: "
            "pip install alfworld==0.4.2"
        )
    if wording != PACKAGE.name:
        made = _edited(made, *_TO_CURRENT)
    if wording == OLDER.name:
        made = _edited(made, *_TO_OLDER)
    assert made.revision == wording
    return made


def _edited(
    made: Rules, domain: tuple[tuple[str, str], ...], grammar: tuple[tuple[str, str], ...]
) -> Rules:
    texts = []
    for text, edits in ((made.domain, domain), (made.grammar, grammar)):
        for pattern, replacement in edits:
            text = re.sub(pattern, replacement, text, flags=re.DOTALL)
        texts.append(text)
    return Rules(*texts)


def content(made: Generated, wording: str) -> dict[str, object]:
    """What the game's `game.tw-pddl` holds, in a wording that files can carry."""
    texts = rules(wording)
    task = sentence(made.draft, WORDINGS[wording])
    return {
        "pddl_domain": texts.domain,
        "grammar": with_task(texts.grammar, task),
        "pddl_problem": made.problem,
        "solvable": True,
        "walkthrough": walkthrough(made, wording),
    }


def walkthrough(made: Generated, wording: str) -> list[str]:
    """A shortest winning list of commands."""
    task = sentence(made.draft, WORDINGS[wording])
    world = World(make_game(made.problem, task, wording))
    commands: list[str] = []
    while (command := optimal_action(world)) is not None:
        commands.append(command)
        world.step(command)
    return commands


def trajectory(made: Generated) -> dict[str, object]:
    """What ALFWorld's environment and its scripted expert look up in `traj_data.json`."""
    draft = made.draft
    is_look = draft.kind is LOOK
    return {
        "task_type": made.kind,
        "pddl_params": {
            "mrecep_target": "",
            "object_sliced": False,
            "object_target": draft.thing,
            "parent_target": "" if is_look else draft.target,
            "toggle_target": draft.target if is_look else "",
        },
    }


def export(made: Generated, folder: Path, wording: str = CURRENT.name) -> Path:
    """Write a game below `folder`; returns its `game.tw-pddl`.

    Raises `CoTGapError` where it cannot be written, and what `rules` raises.
    """
    draft = made.draft
    task = f"{made.kind}-{draft.thing}-None-{draft.target}-{_SCENES[draft.room]}"
    home = folder / LAYOUT / made.axis / task / f"trial_{made.task_id}"
    texts = {GAME_FILE: content(made, wording), "traj_data.json": trajectory(made)}
    try:
        home.mkdir(parents=True, exist_ok=True)
        for name, data in texts.items():
            (home / name).write_text(json.dumps(data), encoding="utf-8")
    except OSError as error:
        raise CoTGapError(
            f"cannot write to {home} ({error.strerror}). To fix it: choose another folder"
        ) from error
    return home / GAME_FILE


def export_panel(
    panel: str, folder: Path, *, wording: str = CURRENT.name, limit: int | None = None
) -> None:
    """Write a panel's games (or its first `limit`) below `folder`, and print how many.

    `panel` is `household/AXIS`. A panel has `SIZE` games, but `household/train` goes on for ever.
    The games of `household/ood_wording` are written in a wording that files can carry, too.
    Raises `UnknownNameError` for an unknown panel, `CoTGapError` for a bad limit, and what
    `export` raises.
    """
    panels = {f"household/{axis}": axis for axis in AXES}
    if panel not in panels:
        raise UnknownNameError("panel", panel, panels)
    axis, count = panels[panel], SIZE if limit is None else limit
    if count < 1 or (count > SIZE and axis != TRAIN):
        raise CoTGapError(f"bad limit {count}: {panel} has 1 to {SIZE} games")
    for game in islice(games(axis), count):
        export(game, folder, wording)
    print(f"{count:,} games of {panel} below {folder}")
