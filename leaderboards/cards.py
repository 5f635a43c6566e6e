"""Who enters: read from the command line's options and from a card in YAML or JSON.

A card is either an entrant's (`name`, `organisation`, `url`, `description`, `trained_on`, ...) or
a checkpoint's own `card.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cotgap.agents.checkpoints import bundled
from cotgap.agents.fingerprint import both
from cotgap.agents.fingerprint import fingerprint as fingerprint_of
from cotgap.benchmark.domain import panel_facts
from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.schema import Card, Entrant, Parent

CARD = "card.json"
ADAPTER = "adapter_config.json"  # an agent with an adapter has a fingerprint of its base, too
TEXTS = ("name", "organisation", "url", "description", "owner")
EXAMPLE = """A card looks like this (only `name` is needed):
  name: My agent
  organisation: My group
  url: https://example.org
  description: One sentence.
  owner: my-github-account
  trained_on: [household/train]"""


def read_card(path: Path) -> dict[str, Any]:
    """A card's content: YAML, of which JSON is a part; raises `CoTGapError` where it is none.

    A folder stands for the `card.json` in it.
    """
    import yaml  # a tenth of a second

    file = path / CARD if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise CoTGapError(f"--card {path}: cannot be read ({error})") from error
    except (ValueError, yaml.YAMLError) as error:
        raise CoTGapError(f"--card {path}: {error}") from error
    except RecursionError:
        raise CoTGapError(f"--card {path}: nested too deep") from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise CoTGapError(f"--card {path}: not a list of fields with names. {EXAMPLE}")
    return content


def card_of(path: Path | None, fingerprint: str) -> dict[str, Any] | None:
    """The card at `path`, by default that of the bundled checkpoint with this fingerprint, if any.

    A bundled checkpoint's own card goes before what another one says of it, but for `TEXTS`. Raises
    `CoTGapError` where there is none, or where `path` is another checkpoint's folder.
    """
    known = bundled_cards().get(fingerprint)
    if path is None:
        return known
    card = read_card(path)
    if path.is_dir() and not (path / ADAPTER).exists() and fingerprint_of(path) != fingerprint:
        raise CoTGapError(f"--card {path}: this checkpoint is not the one that played these runs")
    if known is None:
        return card
    return {**known, **{name: card[name] for name in TEXTS if name in card}}


@cache
def bundled_cards() -> Mapping[str, dict[str, Any]]:
    """The card of every bundled checkpoint, by fingerprint.

    Those of adapters are found by the base that their card names, which need not be here.
    """
    cards = {}
    for folder in bundled().values():
        card, print_ = read_card(folder), fingerprint_of(folder)
        if (folder / ADAPTER).exists():
            print_ = both((card.get("parent") or {}).get("fingerprint") or "", print_)
        cards[print_] = card
    return cards


def false_card(card: Mapping[str, Any] | None, fingerprint: str) -> str:
    """How a card contradicts what is known of the checkpoint; empty where it does not.

    Known are the bundled checkpoints. A card that is not told claims nothing.
    """
    own = bundled_cards().get(fingerprint)
    if own is None or not card:
        return ""
    # As JSON, in which a tuple is a list.
    said, known = (json.loads(json.dumps(one)) for one in (card, kept(own)))
    differing = [name for name in Card.__annotations__ if said.get(name) != known.get(name)]
    return f"{', '.join(differing)} differ from the bundled card" if differing else ""


def kept(card: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry keeps of a card."""
    found = {name: card[name] for name in Card.__annotations__ if card.get(name) is not None}
    if isinstance(parent := found.get("parent"), dict):
        found["parent"] = {name: parent[name] for name in Parent.__annotations__ if name in parent}
    for trained in (found, found.get("parent")):
        if isinstance(trained, dict) and "trained_on" in trained:
            trained["trained_on"] = _trained_on(trained["trained_on"])
    return found


def make_entrant(
    card: Mapping[str, Any] | None, options: Mapping[str, str | None], agent: str
) -> tuple[Entrant, list[str]]:
    """The entrant, and which of the card's fields are left out.

    `options` (of `TEXTS`) go before the card's; without a name in either, it is the agent's.
    Raises `CoTGapError` for a value that a board cannot show, naming its field.
    """
    given = card or {}
    content: dict[str, Any] = {"name": agent}
    content |= {name: given[name] for name in TEXTS if given.get(name) is not None}
    content |= {name: value for name, value in options.items() if value is not None}
    content["card"] = kept(given) or None
    try:
        entrant = Entrant.from_json(content, foreign=True)
    except CoTGapError as error:
        raise CoTGapError(f"the entrant's {error}. {EXAMPLE}") from error
    return entrant, sorted(set(given) - set(TEXTS) - set(Card.__annotations__))


def _trained_on(listed: Any) -> Any:
    """Panels' names stand for all there is to say of them; facts stay as they are."""
    if isinstance(listed, str):
        listed = [listed]
    if not isinstance(listed, list):
        return listed  # the check says what is wrong with it
    return [panel_facts(entry) if isinstance(entry, str) else entry for entry in listed]
