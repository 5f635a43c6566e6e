"""The TextWorld suite: games made and played by TextWorld, in fixed panels.

`games.tsv` lists each panel's games with their seeds, settings and content hashes, so a panel is
the same on every machine. TextWorld makes the games themselves when they are first needed; they are
kept in the cache folder.

`cotgap games generate` makes them all.
"""

from cotgap.envs.textworld.suite import SUITE, TextWorldSuite

__all__ = ["SUITE", "TextWorldSuite"]
