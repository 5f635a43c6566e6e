"""Who succeeds at the least cost, and where thinking does not pay."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import PROMPT, Part, get_metric
from cotgap.leaderboards.boards.core import Board, Contender, Remark, estimate, of_metrics


def thinking(contender: Contender, part: Part) -> Remark | None:
    """Whether more tokens bought more success; None where the modes write about as much.

    "More tokens": the interval of tokens per episode lies above that of mode prompt.
    """
    if part == (PROMPT,):
        return None
    prompt, other = (
        estimate(get_metric("tokens_out"), contender.here, mode) for mode in ((PROMPT,), part)
    )
    gap = estimate(get_metric("cot_gap"), contender.here, (PROMPT, *part))
    if gap is None or prompt is None or other is None or gap.low is None or gap.high is None:
        return None
    if prompt.high is None or other.low is None or other.low <= prompt.high:
        return None
    if gap.low > 0:
        return Remark("helpful", "thinking pays: more success for more tokens")
    if gap.high <= 0:
        return Remark("harmful", "thinking does not pay: more tokens, and no more success")
    return Remark("neutral", "not shown to pay: more tokens, and the CoT gap's interval holds 0")


BOARD = Board(
    name="efficiency",
    title="Efficiency",
    doc="Successes for every 1,000 tokens written, in each mode. Ranked by it, higher is better, "
    "are the entries that were decoded again: replaying cannot check counts of tokens. It "
    "says nothing of how often an agent succeeds, so the success rate stands beside it. In mode "
    "cot, a remark says whether thinking pays where it takes more tokens (their intervals do not "
    "overlap): it does if the CoT gap's interval lies above 0, and does not if it lies at or below "
    "0. Agents whose backend counts no tokens are not here.",
    order=50,
    scope="mode",
    measures=of_metrics(
        ranked=["success_per_1000_tokens"], beside=["success", "tokens_out", "tokens_in"]
    ),
    remark=thinking,
)
