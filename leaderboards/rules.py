"""The rules of entry.

Who chooses among many runs chooses the luckiest. So an entry leaves little to choose:

- Every run has the seed 0.
- All modes in which a panel was played are of one run: the gap between the worst of ten runs in one
  mode and the best of ten in the other is none.
- A greedy run plays each task once, a sampled one four times.
- Whole panels are played, or their first 25, 50 or 100 tasks, under the panel's own step limit.
- A reply has 448 tokens for the thought and 64 for the action. What is drawn is drawn at
  temperature 1, or with temperature 0.6 and top-p 0.95.
- A checkpoint that comes with this project has the card that it comes with.
- No name holds what cannot be seen, or looks like the name of another entry.

Files that break the first two or the last two rules are refused. Tables of other settings than the
rules name are shown apart and without ranks: in a setting of one's own anybody is the first. How
many entries there are of the same agent, and of the same owner, stands on each entry's page: who
enters ten agents that are alike has the luckiest of ten as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cotgap.agents.protocol import PromptProtocol
from cotgap.benchmark.records.config import Limits
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel
from cotgap.leaderboards.cards import false_card
from cotgap.leaderboards.schema import Submission
from cotgap.leaderboards.settings import Setting, setting_of

SEED = 0
PREFIXES = (25, 50, 100)
REPEATS = {(0.0, 1.0): 1, (0.6, 0.95): 4, (1.0, 1.0): 4}
"""(temperature, top-p) → how often each task is played."""
LIMITS = Limits()


def breaches(submission: Submission) -> Iterator[str]:
    """Every rule that a file breaks so that no board shows it, each in a line."""
    times: Counter[Setting] = Counter()
    for number, run in enumerate(submission.runs, 1):
        if run.config.seed != SEED:
            yield f"run {number} has the seed {run.config.seed}: every run's is {SEED}"
        times.update(setting_of(run, plan) for plan in run.config.panels)
    for setting, count in times.items():
        if count > 1:
            yield (
                f"{setting.panel} was played in {count} runs under the same settings: all modes "
                "are of one run (--mode both)"
            )
    fingerprint = str(submission.runs[0].config.agent.get("fingerprint"))
    if reason := false_card(submission.entrant.card, fingerprint):
        yield f"the card is not this checkpoint's: {reason}"


def unusual(setting: Setting) -> str:
    """What of a setting is not standard, so that its tables have no ranks; empty for nothing."""
    sampling = setting.temperature, setting.top_p
    repeats = REPEATS.get(sampling)
    if repeats is None:
        return f"temperature {setting.temperature:g} with top-p {setting.top_p:g}"
    if setting.repeats != repeats:
        return f"{setting.repeats} repeats, where {repeats} are standard"
    if (setting.action_tokens, setting.thought_tokens) != (
        LIMITS.action_tokens,
        LIMITS.thought_tokens,
    ):
        return f"at most {setting.thought_tokens} + {setting.action_tokens} tokens a reply"
    if len(setting.tasks) not in (*PREFIXES, setting.size):
        return f"{len(setting.tasks)} of {setting.size} tasks"
    try:
        if str(PromptProtocol.parse(setting.protocol)) != setting.protocol:
            return f"the protocol {setting.protocol}"
        if get_panel(setting.panel).step_limit != setting.step_limit:
            return f"{setting.step_limit} steps"
    except CoTGapError:
        return f"the panel {setting.panel} or the protocol {setting.protocol} is not known here"
    return ""
