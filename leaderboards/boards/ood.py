"""Who keeps succeeding out of domain."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import Part, get_metric, part_name
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.leaderboards.boards.core import Board, Contender, Measure, estimate, weights


def measures(part: Part) -> tuple[Measure, ...]:
    """Success out of domain and in-domain in one mode, their difference and their ratio."""
    success, mode = get_metric("success"), part_name(part)

    def outside(contender: Contender) -> Estimate | None:
        return estimate(success, contender.here, part)

    def inside(contender: Contender) -> Estimate | None:
        return None if contender.inside is None else estimate(success, contender.inside, part)

    def gap(contender: Contender) -> Estimate | None:
        here, there = inside(contender), outside(contender)
        return here and there and intervals.independent_difference(there, here)

    def retention(contender: Contender) -> Estimate | None:
        here, there = inside(contender), outside(contender)
        return here and there and intervals.independent_ratio(here, there)

    return (
        Measure(
            name=f"ood_{mode}",
            title="OOD success",
            doc="Success rate on a panel that is out of domain for the agent, by its card.",
            unit="rate",
            direction="higher",
            estimate=outside,
            by_task=lambda contender: weights(success, contender.here, part),
            rates="here",
        ),
        Measure(
            name=f"id_{mode}",
            title="in-domain success",
            doc="Success rate on the panel of the same suite that is in-domain for the agent.",
            unit="rate",
            direction="higher",
            estimate=inside,
            rates="inside",
        ),
        Measure(
            name=f"ood_gap_{mode}",
            title="OOD gap",
            doc="In-domain success less OOD success. The two panels hold different tasks, so the "
            "difference is not paired.",
            unit="points",
            direction="lower",
            estimate=gap,
        ),
        Measure(
            name=f"retention_{mode}",
            title="retention",
            doc="OOD success as a share of in-domain success; without an upper bound where "
            "in-domain success may be 0.",
            unit="share",
            direction="higher",
            estimate=retention,
        ),
    )


BOARD = Board(
    name="ood",
    title="OOD",
    doc="Success out of domain against success in-domain, for each axis along which a panel "
    "differs from what the agent was trained on. That is a relation between an agent and a panel: "
    "the entrant's card, which lists what it was trained on, decides it. Entries without such a "
    "card are listed apart. Ranked by OOD success, higher is better; the OOD gap and the retention "
    "are not ranked, because an agent that always fails loses nothing. On panels of a suite that "
    "the agent was not trained on at all (axis: suite) there is nothing in-domain to compare with.",
    order=40,
    scope="mode",
    measures=measures,
    panels="held out",
)
