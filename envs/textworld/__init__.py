"""The TextWorld suite: games made and played by TextWorld, in fixed panels.

Which games, from which seeds and settings, with which content, is part of this project
(`games.tsv`), so that a panel is the same on every machine. The games themselves are made by
TextWorld when they are first needed, and kept in the cache folder.

`cotgap games generate` makes them all.
"""

from cotgap.envs.textworld.suite import SUITE, TextWorldSuite

__all__ = ["SUITE", "TextWorldSuite"]
