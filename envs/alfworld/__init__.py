"""The ALFWorld suite: the official games, played by `cotgap.envs.household`, in fixed panels.

The panels are those of ALFWorld (Shridhar et al., arXiv 2010.03768): the solvable games of `train`
(3,553), `valid_seen` (140) and `valid_unseen` (134). `games.tsv` lists their games with a hash of
each game's content. So a panel is the same on every machine, and a missing or changed game is
named. The games themselves come from `alfworld-download`.

`cotgap games prepare FILE|DIR` puts an archive or a folder of games into place.
"""

from cotgap.envs.alfworld.suite import SUITE, ALFWorldSuite

__all__ = ["SUITE", "ALFWorldSuite"]
