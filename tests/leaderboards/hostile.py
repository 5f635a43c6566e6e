"""An entry in which every text attacks the page that shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cotgap.benchmark.records.episode import Episode
from cotgap.leaderboards.schema import Entrant, Entry, Receipt, Submission
from tests.benchmark.building import random_run
from tests.leaderboards.building import entry_of, moved, run_of

ATTACK = (
    "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>"
    "\"'><svg onload=window.pwned=1>{{ 7*7 }}{% raise %}\u2028\u202eevil\u200b\u0000 ../../etc"
    '<link rel=stylesheet href="http://evil.example/x.css"><a href="javascript:window.pwned=1">'
)
LONG = ATTACK + "W" * 100_000


def attacked(value: Any, text: str) -> Any:
    """The same data with every string replaced, names of fields included."""
    if isinstance(value, str):
        return text
    if isinstance(value, dict):
        return {f"{text[:90]}{place}": attacked(v, text) for place, v in enumerate(value.values())}
    return [attacked(v, text) for v in value] if isinstance(value, list) else value


def hostile_episodes(text: str) -> list[Episode]:
    """What can be text in an episode is; what the metrics need stays."""
    return [
        replace(
            e,
            goal=text,
            task_kind=text[:300],
            final_observation=text,
            task_key=replace(e.task_key, task=f"{e.task_key.task}{text[:200]}"),
            steps=tuple(
                replace(
                    s,
                    observation=text,
                    decision=replace(s.decision, thought=text, raw=text, finish_reason=text),
                )
                for s in e.steps[:2]
            ),
        )
        for e in moved(random_run(3, tasks=2, repeats=1), "toy/id")
    ]


def hostile_entry(slug: str = "hostile", text: str = LONG) -> Entry:
    run = run_of(hostile_episodes(text))
    agent = attacked(dict(run.config.agent), text)
    agent |= {"name": text, "backend": text, "dtype": text}
    config = replace(run.config, agent=agent, shadow=text)
    run = replace(
        run,
        config=config,
        digest=text,
        hardware={text: text},
        versions=({text: text}, {"cotgap": text}),
    )
    facts = {"suite": "toy", "panel": text, "kinds": [text] * 200, "wording": text}
    card = {"trained_on": [facts], "config": {text: text}, "parent": None}
    entrant = Entrant(text, text, "javascript:window.pwned=1", text, card)
    receipt = Receipt(text, "replayed", text, {text: text})
    return Entry(slug, Submission(entrant, (run,)), receipt)


def unshowable() -> list[Entry]:
    """Entries with names that lead elsewhere, or with what no run writes."""
    good = run_of(moved(random_run(4, tasks=2, repeats=1), "toy/id"))
    broken = replace(good, config=replace(good.config, repeats="many"))
    scoreless = replace(good, episodes=tuple(replace(e, score=None) for e in good.episodes))
    return [
        *(entry_of(slug, good) for slug in ("../up", "/etc/x", "A", "", "a/b", "..", "-x", ATTACK)),
        entry_of("broken", broken),
        entry_of("scoreless", scoreless),
    ]
