"""Arguments for an action, from the turn's request and the last results alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cotgap.envs.bfcl.calls import BadActionError, Call, parse
from cotgap.envs.bfcl.episode import APPEARED, Episode

SHOWN = 240  # characters of a quoted request
REASONS = 2  # arguments that are traced to where they come from


def rationale(episode: Episode, action: str) -> str:
    """Two sentences, first person: what is wanted, and why this action is next."""
    try:
        calls = parse(action)
    except BadActionError:
        shown = _quoted(action) if action.strip() else "nothing"
        reason = f"No call that I know of helps now, so I reply {shown}."
    else:
        reason = _for_calls(episode, calls) if calls else _for_the_end(episode)
    return f"{_wanted(episode)} {reason}"


def _wanted(episode: Episode) -> str:
    if episode.request == APPEARED:
        return "There are new functions for what I could not do before."
    return f"The user says: {_quoted(episode.request)}."


def _for_the_end(episode: Episode) -> str:
    if episode.made[-1] and not episode.expected:
        return "The calls that I made have done that, so I end the turn."
    if episode.made[-1]:
        return "I have called what I can for that, so I end the turn."
    return "I lack a function or a detail that this needs, so I end the turn without a call."


def _for_calls(episode: Episode, calls: Sequence[Call]) -> str:
    names = list(dict.fromkeys(call.name for call in calls))
    start = "Next" if episode.made[-1] else "First"
    text = f"{start} I call {_joined(names[:4])}{' and others' if len(names) > 4 else ''}"
    reasons = list(dict.fromkeys(_origins(episode, calls)))[:REASONS]
    return f"{text}, since {_joined(reasons)}." if reasons else f"{text} for it."


def _origins(episode: Episode, calls: Sequence[Call]) -> Iterator[str]:
    """Where the arguments come from, for those that the request or the last result contains."""
    for call in calls:
        for name, value in call.named.items():
            text = str(value)
            if isinstance(value, bool) or not text or len(text) > 60:
                continue
            if text in episode.request:
                yield f"the request gives {_plain(text)} as the {_plain(name)}"
            elif text in episode.said:
                yield f"the last result gives {_plain(text)} as the {_plain(name)}"


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1])] * (len(parts) > 1) + list(parts[-1:]))


def _quoted(text: str) -> str:
    text = _plain(text)
    return f'"{text if len(text) <= SHOWN else text[:SHOWN].rstrip() + "..."}"'


def _plain(text: str) -> str:
    """The text on one line, without anything that could be taken for a tag."""
    return " ".join(text.split()).replace("<", "(").replace(">", ")")
