"""The BFCL suite: multi-turn function calling against the official backends.

Tasks, backends and verdict are those of the Berkeley Function-Calling Leaderboard (Patil et al.,
ICML 2025), from the package `bfcl-eval`. `items.tsv` lists each panel's tasks with a hash of their
content. Model text can only call documented functions: `cotgap.envs.bfcl.calls` reads it without
evaluating anything, `cotgap.envs.bfcl.backend` calls the functions with the values read.

This suite differs from the package's own harness in these points. It never carries out more:

- Text that is not a list of calls is answered with an error and counts as a step; the package
  takes it for the end of the turn. Only `[]` ends a turn.
- An action is carried out whole or not at all. Unknown functions, positional arguments (which the
  package drops), bare names, arithmetic and nested calls are errors.
- Only functions that the task documents can be called. (A function that appears late works before
  it appears, as in the package: the ground truth of `miss_func` 49 relies on that.)
- Calls that would take unbounded time or memory are refused; see `cotgap.envs.bfcl.backend`.
- A backend gets strings as they were written. The package evaluates text, and first puts an
  instance's name before every function name that is followed by a parenthesis, even inside a
  string. (Its checker does so too, and the verdict is the checker's.)
- Nothing outlives an episode. In the package, long-context travel tasks share credit cards and
  bookings across tasks, and each task's backends stay alive.

`python -m tools.bfcl` replays ground truths and compares verdicts with the package's own.
"""

from cotgap.envs.bfcl.suite import SUITE, BFCLSuite

__all__ = ["SUITE", "BFCLSuite"]
