"""The ScienceWorld suite: elementary-school science in a simulated house, in fixed panels.

The simulator is the one of the package `scienceworld` (Wang et al., arXiv 2203.07540), unchanged;
`cotgap.envs.scienceworld.java` runs it. `tasks.tsv` lists the tasks, their topics and their
official variations, so panels are known without the package (`python -m tools.scienceworld`
rewrites it). The hash of the package's jar is part of every task's content.
"""

from cotgap.envs.scienceworld.suite import SUITE, ScienceWorldSuite

__all__ = ["SUITE", "ScienceWorldSuite"]
