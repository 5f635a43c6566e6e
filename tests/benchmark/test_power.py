"""Numbers of tasks against simulation, and the two directions against each other."""

from __future__ import annotations

from math import sqrt

import pytest

from cotgap.benchmark.stats import power
from cotgap.benchmark.stats.power import (
    Assumption,
    assumptions,
    effect_of_tasks,
    margin_of_tasks,
    tasks_for_effect,
    tasks_for_margin,
)
from tools.simulations import gate

SIMULATIONS = 500
ERROR = 3 * sqrt(0.8 * 0.2 / SIMULATIONS)


@pytest.mark.parametrize(("discordance", "luck"), [(0.2, 0.0), (0.3, 0.5)])
@pytest.mark.parametrize("repeats", [1, 3])
def test_effects_are_found_in_four_of_five(discordance: float, luck: float, repeats: int) -> None:
    one = Assumption("", discordance, luck)
    found = gate.power_of_effect(one, 0.1, repeats, SIMULATIONS)
    assert found == pytest.approx(0.8, abs=ERROR + 0.02)


@pytest.mark.parametrize(("discordance", "luck"), [(0.2, 0.0), (0.2, 1.0), (0.3, 0.5)])
@pytest.mark.parametrize("repeats", [1, 3])
def test_margins_are_shown_in_four_of_five(discordance: float, luck: float, repeats: int) -> None:
    one = Assumption("", discordance, luck)
    found = gate.power_of_margin(one, 0.08, repeats, SIMULATIONS)
    assert found == pytest.approx(0.8, abs=ERROR + 0.02)


@pytest.mark.parametrize("discordance", [0.1, 0.3])
def test_effect_and_tasks_are_inverse(discordance: float) -> None:
    tasks = tasks_for_effect(0.08, discordance)
    assert tasks is not None
    assert effect_of_tasks(tasks, discordance) == pytest.approx(0.08, abs=0.002)


@pytest.mark.parametrize("discordance", [0.1, 0.3])
def test_margin_and_tasks_are_inverse(discordance: float) -> None:
    tasks = tasks_for_margin(0.08, discordance)
    assert tasks is not None
    assert margin_of_tasks(tasks, discordance) == pytest.approx(0.08, abs=0.003)


def test_more_is_needed_for_less() -> None:
    numbers = [tasks_for_effect(effect, 0.2) or 0 for effect in (0.03, 0.05, 0.1, 0.2)]
    assert numbers == sorted(numbers, reverse=True)
    assert (tasks_for_margin(0.1, 0.2) or 0) < (tasks_for_margin(0.1, 0.2, -0.05) or 0)
    assert tasks_for_margin(0.1, 0.2, -0.1) is None
    assert tasks_for_effect(1e-5, 0.5) is None
    assert effect_of_tasks(3, 0.2) is None
    assert margin_of_tasks(1, 0.5) is None


def test_repeats_help_by_the_share_of_luck() -> None:
    assert Assumption("", 0.2, 1.0).worth(4) == pytest.approx((4, 4))
    assert Assumption("", 0.2, 0.0).worth(4) == (1, 1)
    assert Assumption("", 0.2).worth(4) == pytest.approx((1, 4))
    assert power.needed(100, 4) == 25
    assert power.needed(None, 4) is None


def test_what_a_baseline_says() -> None:
    single = assumptions([(1, 1)] * 30 + [(0, 1)] * 10)
    assert [one.discordance for one in single] == pytest.approx([0.1875, 0.375])
    assert all(one.luck is None for one in single)
    # Half of the tasks are coins: two of their repeats differ in 2·2·2 / (4·3) of pairs.
    repeated = assumptions([(2, 4)] * 20 + [(4, 4)] * 20)
    assert [one.discordance for one in repeated] == pytest.approx([1 / 3, 0.375])
    assert [one.luck for one in repeated] == pytest.approx([1, 8 / 9])
    for uninformative in ([], [(1, 1)] * 9, [(0, 2)] * 9):
        assert [one.discordance for one in assumptions(uninformative)] == list(power.GRID)
