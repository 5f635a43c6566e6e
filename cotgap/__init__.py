"""CoTGap: where do the gains of chain-of-thought agent training land?

The packages are `cotgap.envs`, `cotgap.agents`, `cotgap.benchmark` and `cotgap.leaderboards`.
"""

__version__ = "0.1.0"
