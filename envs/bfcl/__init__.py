"""The BFCL suite: multi-turn function calling against the official backends.

Tasks, backends and verdict are those of the Berkeley Function-Calling Leaderboard (Patil et al.,
ICML 2025), from the package `bfcl-eval`; which tasks with which content make a panel is part of
this project (`items.tsv`). What model text may do is bounded here: `cotgap.envs.bfcl.calls` reads
it without evaluating anything, `cotgap.envs.bfcl.backend` calls documented functions on the values
read.

Where this differs from the package's own harness, always by carrying out less:

- Text that is not a list of calls is answered with an error and counts as a step; the package
  takes it for the end of the turn. Only `[]` ends a turn.
- An action is carried out whole or not at all. Unknown functions, positional arguments (which the
  package drops), bare names, arithmetic and nested calls are errors.
- Only functions that the task documents can be called. (One that is held out works before it
  appears, as in the package: the ground truth of `miss_func` 49 relies on that.)
- Calls that would take unbounded time or memory are refused; see `cotgap.envs.bfcl.backend`.
- A backend sees the strings that were written. The package evaluates text, and first puts an
  instance's name before every word that is a function's and stands before a parenthesis, also
  inside strings. (Its checker does so too, and the verdict is the checker's.)
- Nothing outlives an episode. In the package, long-context travel tasks share credit cards and
  bookings across tasks, and each task's backends stay alive.

`python -m tools.bfcl` replays ground truths and compares verdicts with the package's own.
"""

from cotgap.envs.bfcl.suite import SUITE, BFCLSuite

__all__ = ["SUITE", "BFCLSuite"]
