"""What a panel is to a checkpoint, by the checkpoint's card."""

from __future__ import annotations

from typing import Any

import pytest

from cotgap.benchmark.domain import Relation, panel_facts, relate, trained_on
from cotgap.envs.core import CoTGapError, Panel
from cotgap.envs.registry import get_panel, suites


def card(*panels: str, parent: tuple[str, ...] = ()) -> dict[str, Any]:
    before = {"trained_on": [panel_facts(name) for name in parent]} if parent else None
    return {"trained_on": [panel_facts(name) for name in panels], "parent": before}


@pytest.mark.parametrize(
    ("trained", "panel", "expected"),
    [
        ("household/train", "household/id", "in-domain"),
        ("household/train", "household/train", "in-domain, trained on"),
        ("household/train", "household/ood_layout", "OOD: layout"),
        ("household/train", "household/ood_object", "OOD: object"),
        ("household/train", "household/ood_task", "OOD: task type"),
        ("household/train", "household/ood_wording", "OOD: wording"),
        ("household/train", "household/ood_horizon", "OOD: horizon"),
        ("household/train", "toy/id", "OOD: suite"),
        ("household/ood_layout", "household/ood_layout", "in-domain, trained on"),
        ("alfworld/train", "alfworld/valid_seen", "in-domain"),
        ("alfworld/train", "alfworld/valid_unseen", "OOD: layout"),
        ("alfworld/train", "alfworld/valid_unseen@older", "OOD: wording, layout"),
        ("alfworld/paper_train", "alfworld/paper_ood", "OOD: task type"),
        ("alfworld/paper_train", "alfworld/paper_id", "in-domain"),
        ("scienceworld/train", "scienceworld/test", "in-domain"),
        ("scienceworld/train", "scienceworld/test@none", "OOD: simplifications"),
        ("scienceworld/paper_train", "scienceworld/paper_ood", "OOD: task type"),
        ("bfcl/base", "bfcl/long_context", "OOD: context"),
        ("textworld/train", "textworld/ood_rooms", "OOD: rooms"),
    ],
)
def test_relations(trained: str, panel: str, expected: str) -> None:
    assert str(relate(card(trained), get_panel(panel))) == expected


def test_without_an_account_nothing_is_known() -> None:
    for empty in ({}, {"trained_on": []}, {"trained_on": None, "parent": None}):
        found = relate(empty, get_panel("toy/id"))
        assert (str(found), found.in_domain, found.ood) == ("unknown", False, False)


def test_what_came_before_counts() -> None:
    assert relate(card("household/train", parent=("toy/train",)), get_panel("toy/id")).in_domain
    both = card("household/train", parent=("household/ood_task",))
    assert relate(both, get_panel("household/ood_task")).in_domain


def test_every_panel_is_like_itself() -> None:
    panels: list[Panel] = [p for suite in suites().values() for p in suite.panels.values()]
    for panel in panels:
        assert relate(card(panel.name), panel) == Relation(seen=True), panel.name


def test_a_panel_s_name_stands_for_its_facts() -> None:
    named = {"trained_on": ["household/train"], "parent": {"trained_on": ["toy/train"]}}
    assert trained_on(named) == trained_on(card("household/train", parent=("toy/train",)))


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("household/train", "no list"),
        ([7], "trained_on holds 7"),
        ([{"suite": "toy"}], "trained_on holds {'suite': 'toy'}"),
        (["household/trian"], "Did you mean"),
        ({"panel": "toy/id"}, "no list"),
    ],
)
def test_what_no_card_says(listed: Any, message: str) -> None:
    with pytest.raises(CoTGapError, match=message):
        relate({"trained_on": listed}, get_panel("toy/id"))
