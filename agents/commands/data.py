"""`cotgap data`: the expert's episodes as a file to train on."""

from __future__ import annotations

from cotgap.agents.options import DataOptions
from cotgap.agents.training.data import write_jsonl
from cotgap.agents.training.sources import PanelSource
from cotgap.envs.core import CoTGapError


def execute(options: DataOptions) -> None:
    """Play, write, and say how many episodes were written."""
    source = PanelSource(options.panel, options.noise, options.seed)
    if source.tasks is not None and not options.noise and options.episodes > source.tasks:
        raise CoTGapError(
            f"--episodes {options.episodes}: {options.panel} has {source.tasks} tasks besides "
            "those held out, and without --noise each is always played alike"
        )
    played = (source.episode(number) for number in range(options.episodes))
    written = write_jsonl(options.out, (episode for episode in played if episode is not None))
    lost = options.episodes - written
    note = f" ({lost} left out: not won within the step limit)" if lost else ""
    print(f"{written} episodes in {options.out}{note}")
