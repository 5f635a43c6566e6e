"""The ScienceWorld suite: elementary-school science in a simulated house, in fixed panels.

The simulator is the one of the package `scienceworld` (Wang et al., arXiv 2203.07540), unchanged;
`cotgap.envs.scienceworld.java` runs it. The tasks, their topics and their official variations are
part of this project (`tasks.tsv`, rewritten by `python -m tools.scienceworld`), so that
panels are known without the package; the hash of its jar is part of every task's content.
"""

from cotgap.envs.scienceworld.suite import SUITE, ScienceWorldSuite

__all__ = ["SUITE", "ScienceWorldSuite"]
