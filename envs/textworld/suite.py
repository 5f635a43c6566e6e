"""The TextWorld suite: its panels and its environment."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cotgap.envs.core import (
    Availability,
    Finding,
    Panel,
    Suite,
    SuiteUnavailableError,
    Task,
    TaskUnavailableError,
)
from cotgap.envs.textworld.env import TextWorldEnv
from cotgap.envs.textworld.generation import make_missing
from cotgap.envs.textworld.panels import PLANS, TRAIN, Listed, games_of, listed
from cotgap.envs.textworld.store import (
    FIX,
    VERSION,
    Game,
    compile_story,
    games_folder,
    installed_version,
    is_stored,
    obtain,
    remake,
)

INSTALL = "pip install 'cotgap[textworld]'"
GENERATE = "cotgap games generate --panel textworld/{}"
INSTRUCTIONS = """\
You play a text adventure. You are told what to achieve and what you see; each turn, give exactly \
one command, and you are told what happens.
Commands:
look
inventory
goal (repeats what to achieve)
go DIRECTION (north, east, south or west)
examine THING
open THING
close THING
unlock THING with KEY
lock THING with KEY
take THING
take THING from PLACE
drop THING
put THING on PLACE
insert THING into PLACE
eat THING
Where there is something to cook, also:
slice THING with KNIFE
chop THING with KNIFE
dice THING with KNIFE
cook THING with APPLIANCE (a stove fries, an oven roasts, a BBQ grills)
prepare meal (in the kitchen, with everything in hand)"""


class TextWorldSuite(Suite):
    """Games made and played by TextWorld (Côté et al., arXiv 1806.11532)."""

    name = "textworld"
    version = f"1 (TextWorld {VERSION})"
    step_limit = 50
    extra = "textworld"
    costly = True
    provenance = (
        f"made by TextWorld {VERSION} (MIT), arXiv 1806.11532, from fixed seeds; "
        "success: the game says that it is won"
    )

    @functools.cached_property
    def panels(self) -> Mapping[str, Panel]:
        """`id`, one panel for each OOD axis, `train`; those of several kinds also by kind (`:`)."""
        panels = {split: self._panel(split) for split in PLANS}
        for split, plan in PLANS.items():
            for kind in plan.kinds if len(plan.kinds) > 1 else ():
                panels[f"{split}:{kind}"] = self._panel(split, kind)
        return panels

    def make(self, panel: Panel | None = None, **options: Any) -> TextWorldEnv:
        """An environment over `panel`, `textworld/id` by default.

        Raises `SuiteUnavailableError` without TextWorld in the right version.
        """
        now = self.availability()
        if not now.usable:
            raise SuiteUnavailableError(self.name, now.reason, now.fix)
        panel = panel or self.panels["id"]
        return TextWorldEnv(panel, functools.partial(_load, panel), **options)

    def availability(self) -> Availability:
        """Whether TextWorld is installed, in the version that the panels were made with."""
        installed = installed_version()
        if installed is None:
            return Availability(False, "the package textworld is not installed", INSTALL)
        if installed != VERSION:
            reason = f"its panels were made with TextWorld {VERSION}, {installed} is installed"
            return Availability(False, reason, FIX)
        return Availability(usable=True)

    def check(self, panel: Panel, tasks: Sequence[str]) -> None:
        """Make the games that are not in the cache.

        Raises `TaskUnavailableError`, which names those that cannot be made.
        """
        make_missing(self.games(panel, tasks))

    def games(self, panel: Panel, tasks: Sequence[str]) -> list[Listed]:
        """The lines of `games.tsv` for some of a panel's tasks; raises `UnknownNameError`."""
        return [listed()[panel.family, panel.task(task).id] for task in tasks]

    def diagnose(self) -> Iterator[Finding]:
        """Makes one game, and looks at every game in the cache."""
        yield from super().diagnose()
        if not self.availability().usable:
            return
        first = games_of("id")[0]
        try:
            with tempfile.TemporaryDirectory() as scratch:
                compile_story(remake(first), Path(scratch, "game.z8"))
            yield Finding("ok", f"TextWorld {VERSION} makes the games that the panels list")
        except TaskUnavailableError as error:
            yield Finding("problem", str(error))
        yield Finding("ok", f"games are kept in {games_folder()}")
        for split in PLANS:
            games = games_of(split)
            made = sum(map(is_stored, games))
            text = f"{self.name}/{split}: {made} of {len(games)} games made"
            if made == len(games):
                yield Finding("ok", text)
            else:
                yield Finding("note", f"{text}; a run makes those it needs", GENERATE.format(split))

    def _panel(self, split: str, kind: str = "") -> Panel:
        plan, suffix = PLANS[split], kind and f":{kind}"
        tasks = tuple(game.task for game in games_of(split) if kind in ("", game.task.kind))
        return Panel(
            suite=self.name,
            split=split + suffix,
            tasks=tasks,
            version=self.version,
            step_limit=plan.step_limit,
            instructions=INSTRUCTIONS,
            example="go east",
            description=plan.description + (kind and f" ({kind})"),
            shots_from=TRAIN,
            base=split if kind else "",
            holds_out=plan.holds_out,
            compared_with=f"id{suffix}" if plan.holds_out else "",
        )


def _load(panel: Panel, task: Task) -> Game:
    return obtain(listed()[panel.family, task.id])


SUITE = TextWorldSuite()
