"""The four questions of arXiv 2606.26935, answered by trends over checkpoints.

The claims are the paper's abstract's: prompt actions improve over training, the advantage of CoT
actions stays about the same, later checkpoints revise less, and masking the loss on some actions
improves OOD generalization. Each answer is *supported*, *contradicted* or *not resolved at this n*:
the first two need p ≤ 5 % after Holm's adjustment for all tests of the sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from cotgap.benchmark.domain import Relation
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.benchmark.stats.trends import Rates, below, holm, significant, trend
from cotgap.benchmark.sweeps.outcomes import (
    COT_SUCCESS,
    FOLLOW,
    FOLLOW_OWN,
    GAP,
    OFFLINE,
    PROMPT_SUCCESS,
    REVISION,
    Outcome,
    change,
)

Verdict = Literal["supported", "contradicted", "not resolved at this n"]
SUPPORTED: Verdict = "supported"
CONTRADICTED: Verdict = "contradicted"
OPEN: Verdict = "not resolved at this n"
IN_DOMAIN, OOD, ALL = "in-domain", "OOD", "all panels"


@dataclass(frozen=True)
class Answer:
    """A claim put to one series (or two, for masking) on a group of panels.

    `effect` is the rise over the series, or masked − unmasked, in fractions; None where the sweep
    holds nothing to test it with, which `note` explains. `p` tests for no effect and
    `p_adjusted` is Holm's; a claim of no rise by a margin is tested against that margin, and
    contradicted where the interval is above it.
    """

    question: int
    claim: str
    quantity: str
    series: str
    panels: str
    effect: Estimate | None
    p: float | None
    direction: Literal["rises", "falls", "stays"]
    margin: float = 0.0
    p_margin: float | None = None
    p_adjusted: float | None = None
    p_margin_adjusted: float | None = None
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """What the adjusted tests say of the claim."""
        if self.effect is None:
            return OPEN
        rises = significant(self.p_adjusted) and self.effect.value > 0
        falls = significant(self.p_adjusted) and self.effect.value < 0
        if self.direction == "stays":
            if significant(self.p_margin_adjusted):
                return SUPPORTED
            beyond = self.effect.low is not None and self.effect.low > self.margin
            return CONTRADICTED if rises and beyond else OPEN
        if rises or falls:
            return SUPPORTED if rises == (self.direction == "rises") else CONTRADICTED
        return OPEN

    @property
    def p_in_words(self) -> str:
        """`p = 0.012` after Holm, or of which margin; empty where nothing was tested."""
        stays = self.direction == "stays"
        p = self.p_margin_adjusted if stays else self.p_adjusted
        if p is None:
            return ""
        against = f" of {100 * self.margin:g} pp or more" if stays else ""
        return f"p{against} {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"


def answers(outcomes: Sequence[Outcome], margin: float) -> list[Answer]:
    """All four questions for every series; `margin` is the rise of the CoT gap that matters."""
    found = [*_trends(outcomes, margin), *_masking(outcomes)]
    tested = [answer for answer in found if answer.p is not None]
    # Both tests of a claim are in the family; a claim has one or two.
    values = [p for a in tested for p in (a.p, a.p_margin) if p is not None]
    adjusted = iter(holm(values))
    final = []
    for answer in found:
        if answer.p is None:
            final.append(answer)
            continue
        answer = replace(answer, p_adjusted=next(adjusted))
        if answer.p_margin is not None:
            answer = replace(answer, p_margin_adjusted=next(adjusted))
        final.append(answer)
    return sorted(final, key=lambda a: (a.question, a.series))


def rates_over(
    outcomes: Sequence[Outcome], rates: Callable[[Outcome], Mapping[str, Fraction]]
) -> dict[str, Rates]:
    """Task key → its rate at each checkpoint of one series, in order; None where it has none."""
    order = sorted({o.checkpoint for o in outcomes}, key=lambda c: c.step)
    by_place = {
        (key, order.index(o.checkpoint)): rate for o in outcomes for key, rate in rates(o).items()
    }
    keys = sorted({key for key, _ in by_place})
    return {key: [by_place.get((key, place)) for place in range(len(order))] for key in keys}


def group(outcomes: Sequence[Outcome], wanted: Callable[[Relation], bool]) -> list[Outcome]:
    """Those whose panel is in that relation to the checkpoint."""
    return [o for o in outcomes if wanted(o.relation)]


def trended(outcomes: Sequence[Outcome], series: str) -> tuple[str, list[Outcome]]:
    """Which panels a series' trends are over, and what was measured there: in-domain, if any is."""
    own = [o for o in outcomes if o.checkpoint.series == series]
    inside = group(own, lambda relation: relation.in_domain)
    return (IN_DOMAIN, inside) if inside else (ALL, own)


def _trends(outcomes: Sequence[Outcome], margin: float) -> Iterator[Answer]:
    for series in sorted({o.checkpoint.series for o in outcomes}):
        panels, used = trended(outcomes, series)
        yield _rise(1, "prompt-action quality rises", PROMPT_SUCCESS, series, panels, used)
        if any(OFFLINE in o.rates for o in used):
            yield _rise(1, "prompt-action quality rises", OFFLINE, series, panels, used)
        yield _stays(series, panels, used, margin)
        yield _rise(3, "the revision rate falls", REVISION, series, panels, used, falls=True)
        for quantity in (FOLLOW, FOLLOW_OWN):
            if any(quantity in o.rates for o in used):
                claim = "the conflict follow rate falls"
                yield _rise(3, claim, quantity, series, panels, used, falls=True)


def _rise(
    question: int,
    claim: str,
    quantity: str,
    series: str,
    panels: str,
    outcomes: Sequence[Outcome],
    *,
    falls: bool = False,
) -> Answer:
    effect = trend(rates_over(outcomes, lambda o: o.rates.get(quantity, {})))
    return Answer(
        question=question,
        claim=claim,
        quantity=quantity,
        series=series,
        panels=panels,
        effect=effect,
        p=None if effect is None else effect.p,
        direction="falls" if falls else "rises",
        note="" if effect else "no task was measured at two checkpoints",
    )


def _stays(series: str, panels: str, outcomes: Sequence[Outcome], margin: float) -> Answer:
    answer = _rise(
        2, f"the CoT gap does not widen by {100 * margin:g} pp", GAP, series, panels, outcomes
    )
    if answer.effect is not None:
        answer = replace(answer, p_margin=below(answer.effect, margin))
    return replace(answer, direction="stays", margin=margin)


def _masking(outcomes: Sequence[Outcome]) -> Iterator[Answer]:
    """Masked series against the unmasked one, at the last step that both have."""
    fractions = sorted(
        {o.checkpoint.mask_fraction for o in outcomes if o.checkpoint.mask_fraction is not None}
    )
    masked = [fraction for fraction in fractions if fraction > 0]
    blank = Answer(
        question=4,
        claim="masking lifts OOD success",
        quantity=COT_SUCCESS,
        series="k>0 against k=0",
        panels=OOD,
        effect=None,
        p=None,
        direction="rises",
    )
    if not masked or 0.0 not in fractions:
        note = "needs checkpoints trained with and without an action mask, by their cards"
        yield replace(blank, note=note)
        return
    outside = group(outcomes, lambda relation: relation.ood)
    for fraction in masked:
        yield _lift(replace(blank, series=f"k={fraction:g} against k=0"), outside, fraction)


def _lift(blank: Answer, outcomes: Sequence[Outcome], fraction: float) -> Answer:
    plain = [o for o in outcomes if o.checkpoint.mask_fraction == 0]
    masked = [o for o in outcomes if o.checkpoint.mask_fraction == fraction]
    shared = {o.checkpoint.step for o in plain} & {o.checkpoint.step for o in masked}
    if not outcomes:
        return replace(blank, note="no panel of the sweep is OOD by the cards")
    if not shared:
        return replace(blank, note="the two series share no step")
    step = max(shared)
    before, after = (
        {k: r for o in part if o.checkpoint.step == step for k, r in o.rates[COT_SUCCESS].items()}
        for part in (plain, masked)
    )
    effect = change(before, after)
    if effect is None:
        return replace(blank, note=f"no task has a score in both series at step {step}")
    return replace(blank, effect=effect, p=effect.p, note=f"at step {step}")
