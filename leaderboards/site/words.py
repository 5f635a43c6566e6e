"""What the site's pages call things."""

from __future__ import annotations

from collections.abc import Mapping

from cotgap.benchmark.metrics.core import PAIR, Part, arrow, part_name
from cotgap.leaderboards.schema import Tier
from cotgap.leaderboards.settings import Setting

TIERS: Mapping[Tier, str] = {
    "self-reported": "nothing was checked beyond the file's form",
    "replayed": "every action was played again in the real environment, and every number but "
    "counts of tokens recomputed from the raw texts",
    "re-decoded": "replayed, and the checkpoint was at hand and gave the same replies at randomly "
    "drawn steps, some of every success",
}


def tasks(setting: Setting) -> str:
    """`25 of 200 tasks`, or `all 200 tasks`."""
    count = len(setting.tasks)
    return f"{count} of {setting.size} tasks" if count < setting.size else f"all {count} tasks"


def conditions(setting: Setting) -> str:
    """All that the numbers of a table share, but for panel and lock, in one line."""
    parts = [tasks(setting), f"{setting.step_limit} steps", setting.protocol]
    parts.append(f"{setting.repeats} repeats" if setting.repeats > 1 else "1 repeat")
    if setting.temperature:
        parts.append(f"temperature {setting.temperature:g}, top-p {setting.top_p:g}")
    else:
        parts.append("greedy")
    parts.append(f"at most {setting.thought_tokens} + {setting.action_tokens} tokens a reply")
    return " · ".join(parts)


def view_name(part: Part) -> str:
    """`mode cot`, `both modes`, or `modes cot → mine` for another pair."""
    if len(part) == 1:
        return f"mode {part[0]}"
    return "both modes" if part == PAIR else f"modes {arrow(part_name(part))}"
