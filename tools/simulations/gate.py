"""How often the gate's verdicts are wrong, and whether `power`'s numbers of tasks suffice.

A candidate that is worse by exactly the margin should be called "no worse" in at most 5 % of cases,
and an equal one "worse" in at most 2.5 %. The numbers of tasks that `cotgap.benchmark.stats.power`
gives should have a power of 80 %. Single trials are computed exactly, over all outcomes; repeats
are simulated. The tests run the same with fewer simulations.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.noninferiority import chance, critical_losses, critical_score, score
from cotgap.benchmark.stats.power import Assumption, needed, tasks_for_effect, tasks_for_margin
from tools.cli import run

app = typer.Typer(add_completion=False)
Floats = NDArray[np.float64]
LOSSES = ("every task a little", "a few tasks wholly", "with other tasks won")
ABILITIES = ("halves", "hard", "easy", "decided")


def exact_level(n: int, margin: float, points: int = 400) -> float:
    """The largest chance of "no worse" with single trials, over all rates that differ by it."""
    won = (1 - margin) / 2 * np.linspace(0, 1, points) ** 2
    return float(chance(critical_losses(n, margin), won, won + margin).max())


def abilities(kind: str, size: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Each task's chance of success."""
    if kind == "halves":
        return rng.beta(0.5, 0.5, size)
    if kind == "hard":
        return rng.beta(0.5, 2.0, size)
    if kind == "easy":
        return rng.beta(4.0, 0.5, size)
    return (rng.random(size) < 0.6).astype(float)


def differences(
    ability: str, loss: str, margin: float, repeats: int, n: int, simulations: int, seed: int = 0
) -> NDArray[np.int64]:
    """Each task's successes of the candidate less the baseline's, whose mean is −margin · repeats.

    Shape (simulations, n).
    """
    rng = np.random.default_rng(seed)
    p = abilities(ability, (simulations, n), rng)
    mean = abilities(ability, (1, 400_000), np.random.default_rng(1)).mean()
    if loss == "every task a little":
        q = p * (1 - margin / mean)
    elif loss == "a few tasks wholly":
        q = np.where(rng.random(p.shape) < margin / mean, 0.0, p)
    else:  # a share of tasks is turned around and more are lost: 1 − p has the mean 1 − mean
        turned = rng.random(p.shape) < 0.1
        rest = (mean - margin - 0.1 * (1 - mean)) / (0.9 * mean)
        q = np.where(turned, 1 - p, p * rest)
    moved: NDArray[np.int64] = rng.binomial(repeats, np.clip(q, 0, 1)) - rng.binomial(repeats, p)
    return moved


def passes(ability: str, loss: str, margin: float, repeats: int, n: int, simulations: int) -> float:
    """How often candidates that are worse by exactly the margin are called "no worse"."""
    moved = differences(ability, loss, margin, repeats, n, simulations)
    return _declared(moved, repeats, margin)


def false_alarms(ability: str, repeats: int, n: int, simulations: int) -> float:
    """How often equal candidates are called "worse"."""
    moved = differences(ability, "every task a little", 0.0, repeats, n, simulations)
    lower = [row for row in moved if row.sum() < 0]
    return sum(_p(row, repeats) <= intervals.ALPHA for row in lower) / simulations


def power_of_effect(assumption: Assumption, effect: float, repeats: int, simulations: int) -> float:
    """How often the exact test finds an effect in as many tasks as `power` asks for."""
    tasks = needed(tasks_for_effect(effect, assumption.discordance), assumption.worth(repeats)[0])
    assert tasks is not None
    moved = outcomes(assumption, effect, repeats, tasks, simulations)
    return float(np.mean([_p(row, repeats) <= intervals.ALPHA for row in moved]))


def power_of_margin(assumption: Assumption, margin: float, repeats: int, simulations: int) -> float:
    """How often an equal candidate passes with as many tasks as `power` asks for."""
    tasks = needed(tasks_for_margin(margin, assumption.discordance), assumption.worth(repeats)[0])
    assert tasks is not None
    moved = outcomes(assumption, 0.0, repeats, tasks, simulations)
    return _declared(moved, repeats, margin)


def outcomes(
    assumption: Assumption, effect: float, repeats: int, n: int, simulations: int
) -> NDArray[np.int64]:
    """Each task's difference where the assumption is true: some tasks are luck, some are decided.

    A task of luck is a fair coin in either run, and so differs half of the time.
    """
    rng = np.random.default_rng(0)
    luck = 2 * assumption.discordance * (assumption.luck or 0.0)
    decided = assumption.discordance * (1 - (assumption.luck or 0.0))
    kind = rng.random((simulations, n))
    coins = rng.binomial(repeats, 0.5, kind.shape) - rng.binomial(repeats, 0.5, kind.shape)
    up, down = (decided + effect) / 2, (decided - effect) / 2
    fixed = repeats * (
        (kind < luck + up).astype(int) - ((kind >= luck + up) & (kind < luck + up + down))
    )
    return np.where(kind < luck, coins, fixed)


def _p(row: NDArray[np.int64], repeats: int) -> float:
    return intervals.sign_flip_p([Fraction(int(x), repeats) for x in row])


def _declared(moved: NDArray[np.int64], repeats: int, margin: float) -> float:
    critical = critical_score(moved.shape[1], margin)
    rows = ([Fraction(int(x), repeats) for x in row] for row in moved)
    return float(np.mean([score(row, margin) >= critical for row in rows]))


@app.command(epilog="Example: `python -m tools.simulations.gate --simulations 500`")
def main(
    simulations: Annotated[int, typer.Option(help="Of each line.", min=1)] = 2000,
) -> None:
    """Print how often the gate's verdicts are wrong, and whether the tasks asked for suffice."""
    print("no worse, though worse by the margin: largest chance with single trials (exact)")
    for margin in (0.02, 0.03, 0.05, 0.1):
        levels = {n: exact_level(n, margin) for n in (12, 20, 50, 134, 200)}
        print(f"  margin {margin:.2f}  " + "  ".join(f"n {n}: {x:.4f}" for n, x in levels.items()))
    print("no worse, though worse by the margin: 3 repeats (simulated)")
    for n, margin in ((20, 0.1), (50, 0.05), (134, 0.05)):
        rates = {(a, x): passes(a, x, margin, 3, n, simulations) for a in ABILITIES for x in LOSSES}
        worst = max(rates, key=lambda key: rates[key])
        print(f"  n {n}, margin {margin:.2f}  most {rates[worst]:.4f} ({', '.join(worst)})")
    print("worse, though equal: 3 repeats (simulated)")
    for n in (20, 50, 134):
        alarms = {a: false_alarms(a, 3, n, simulations) for a in ABILITIES}
        print(f"  n {n}  most {max(alarms.values()):.4f}")
    print("power of the tasks asked for (simulated)")
    for one in (Assumption("", 0.2, 0.0), Assumption("", 0.2, 1.0), Assumption("", 0.3, 0.5)):
        for repeats in (1, 3):
            effect = 0.1
            if one.discordance * (1 - (one.luck or 0)) >= effect:  # only decided tasks have one
                print(
                    f"  discordance {one.discordance}, luck {one.luck}, {repeats} repeats: effect "
                    f"{power_of_effect(one, effect, repeats, simulations):.3f}"
                )
            print(
                f"  discordance {one.discordance}, luck {one.luck}, {repeats} repeats: margin "
                f"{power_of_margin(one, 0.05, repeats, simulations):.3f}"
            )


if __name__ == "__main__":
    run(app)
