"""Tools for CoTGap's developers. They run in a clone and are never installed.

Each is a command, `python -m tools.NAME --help`:

- `household.parity`, `household.speed`: compare our household engine with the stock one
- `household.expert`: counts the ALFWorld games that the expert wins
- `household.habits`, `household.generator`: rewrite the household tables and panels
- `bfcl`: compares our BFCL with the package's own harness, and rewrites the list of tasks
- `scienceworld`, `textworld`: rewrite the lists of their tasks and games
- `locks`: rewrites the published locks
- `definitions`: prints what every number means, as Markdown
- `decoding_speed`: times local decoding beside other ways of decoding
- `overhead`: times our environments beside the packages that they use
- `kills`: kills commands at random moments, resumes them and compares what they leave
- `own_cost`: times what playing takes besides the model, and what each command takes
- `simulations.intervals`, `simulations.gate`: how often intervals and verdicts are right
- `studies.masking`: does masking the action's loss raise success out of domain?
"""
