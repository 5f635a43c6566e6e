"""What this project's makers need and its users do not: run in a clone, never installed.

Each is a command, `python -m tools.NAME --help`:

- `household.parity`, `household.speed`: our household engine against the stock one
- `household.expert`: how many of ALFWorld's games the expert wins
- `household.habits`, `household.generator`: the household tables and panels, written anew
- `bfcl`: ours against the package's own harness, and the list of tasks, written anew
- `scienceworld`, `textworld`: the lists of their tasks and games, written anew
- `locks`: the published locks, written anew
- `definitions`: what every number means, as Markdown
- `decoding_speed`, `overhead`: what decoding and our adapters take, beside other ways
- `simulations.intervals`, `simulations.gate`: how often intervals and verdicts are right
- `studies.masking`: does masking the action's loss lift success out of domain?
"""
