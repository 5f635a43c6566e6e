"""Read a submission file, which is a stranger's: nothing of it is believed before it is checked.

It is a zip of exactly two members in LZMA, as `cotgap.leaderboards.packing` writes it. Everything
is checked before it is used: the zip itself (`cotgap.leaderboards.archive`), the text before it is
parsed, every field before it becomes a record. All that is wrong is a `SubmissionError` that names
the file, the line and the field. Nothing here plays or decodes anything, and nothing is ever
written.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cotgap.benchmark.records.config import PanelPlan
from cotgap.benchmark.records.episode import Episode
from cotgap.envs.core import CoTGapError
from cotgap.leaderboards import form
from cotgap.leaderboards.archive import DAMAGED, check_zip, chunks_of, members_of, opened
from cotgap.leaderboards.schema import Check, FieldError, fields, shown
from cotgap.leaderboards.submission import Entrant, Submission, SubmittedRun


class SubmissionError(CoTGapError):
    """A file that is no submission; the message names the file, and the line and field in it."""


def read_submission(path: Path) -> Submission:
    """The content of a submission file; raises `SubmissionError` where it is none.

    What is returned has the form of `cotgap.leaderboards.form` and is of one agent, but nobody has
    checked that any of it is true: see `cotgap.leaderboards.verifying`.
    """
    try:
        return _read(path)
    except CoTGapError as error:
        raise SubmissionError(f"{path}: {error}") from error
    except RecursionError as error:
        raise SubmissionError(f"{path}: nested too deep") from error


def _read(path: Path) -> Submission:
    with opened(path) as file:
        try:
            check_zip(file)
            with zipfile.ZipFile(file) as archive:
                manifest, episodes = members_of(archive)
                content = parse(
                    b"".join(chunks_of(archive, manifest, form.MAX_MANIFEST)), form.MANIFEST
                )
                check(form.MANIFEST_FORM, content, form.MANIFEST)
                _check_agents(content["runs"])
                planned = _check_size(content["runs"])
                played = _episodes(
                    _lines(chunks_of(archive, episodes, form.MAX_EPISODES_SIZE)), planned
                )
        except DAMAGED as error:
            if isinstance(error, RecursionError):
                raise
            raise CoTGapError(f"no submission: the zip is damaged ({error})") from error
    runs = tuple(_run(run, episodes) for run, episodes in zip(content["runs"], played, strict=True))
    return Submission(Entrant(**content["entrant"]), runs, content["schema"])


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines without their end; each must have one and be of a bearable length."""
    rest, number = bytearray(), 0
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for part in whole:
            number += 1
            yield bytes(rest + part)
            rest.clear()
        rest += last
        if len(rest) > form.MAX_LINE:  # a chunk later than it could be, which is a small one
            raise CoTGapError(
                f"{form.EPISODES} line {number + 1}: more than the {form.MAX_LINE:,} bytes allowed"
            )
    if rest:
        raise CoTGapError(f"{form.EPISODES} line {number + 1}: its end is missing")


def _episodes(lines: Iterator[bytes], planned: int) -> list[list[Episode]]:
    """The episodes of each run in the order of the file."""
    played: list[list[Episode]] = []
    for number, text in enumerate(lines, 1):
        where = f"{form.EPISODES} line {number}"
        if number > form.MAX_EPISODES:
            raise CoTGapError(f"{where}: more than {form.MAX_EPISODES:,} episodes")
        content = parse(text, where)
        check(form.LINE, content, where)
        _check_steps(content["episode"]["steps"], where)
        if content["run"] >= planned:
            raise CoTGapError(f"{where}: run: {content['run']} is not one of the {planned} runs")
        try:
            episode = Episode.from_json(content["episode"])
        except CoTGapError as error:
            raise CoTGapError(f"{where}: {error}") from error
        while len(played) <= content["run"]:
            played.append([])
        played[content["run"]].append(episode)
    return played + [[] for _ in range(planned - len(played))]


def parse(data: bytes, where: str) -> Any:
    """JSON in strict UTF-8 without repeated keys, NaN, infinities, huge numbers or surrogates."""
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_constant=_no_constant,
            parse_int=_short_int,
            parse_float=_finite,
        )
        if "\\u" in text:  # an escape can name half a character, which no text can hold
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise CoTGapError(f"{where}: not UTF-8 ({error.reason})") from error
    except RecursionError:
        raise CoTGapError(f"{where}: nested too deep") from None
    except ValueError as error:
        raise CoTGapError(f"{where}: not JSON ({error})") from error
    return value


def check(form_of: Check, value: Any, where: str) -> None:
    """Check a parsed value; the message names where it stands."""
    try:
        form_of(value, "")
    except FieldError as error:
        raise CoTGapError(f"{where}: {error}") from error


def _check_steps(steps: list[dict[str, Any]], where: str) -> None:
    """Each step says of every mode at most once what it decided, and all of it: metrics rely on it.

    A decision has an action or a parse error; there is a normal form of each action.
    """
    for index, step in enumerate(steps):
        place = f"{where}: episode.steps[{index}]"
        decisions = {step["decision"]["mode"]: step["decision"]}
        for mode, shadow in step["shadows"].items():
            if mode in decisions or shadow["mode"] != mode:
                raise CoTGapError(f"{place}.shadows.{mode}: not the one decision in that mode")
            decisions[mode] = shadow
        for mode, decision in decisions.items():
            if (decision["action"] is None) != (decision["parse_error"] is not None):
                raise CoTGapError(
                    f"{place}: mode {mode} has an action and a parse error, or neither"
                )
        acted = {mode for mode, decision in decisions.items() if decision["action"] is not None}
        if set(step["canonical"]) != acted:
            raise CoTGapError(
                f"{place}.canonical: has {', '.join(step['canonical']) or 'nothing'}, where the "
                f"modes with an action are {', '.join(sorted(acted)) or 'none'}"
            )
        if step["cost_to_go"] and set(step["cost_to_go"]) != {"state", *acted}:
            raise CoTGapError(f"{place}.cost_to_go: not of the state and each mode with an action")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, count in times.items() if count > 1)
        raise ValueError(f"the key {shown(twice)} occurs twice in an object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON's")


def _short_int(text: str) -> int:
    if len(text) > form.MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _check_agents(runs: list[dict[str, Any]]) -> None:
    """Each run says enough of its agent, and all say the same of what decides its replies."""
    first: Mapping[str, Any] = {}
    for index, run in enumerate(runs):
        where = f"{form.MANIFEST}, runs[{index}].config.agent"
        agent = run["config"]["agent"]
        if not isinstance(agent, dict):
            raise CoTGapError(f"{where}: {shown(agent)} is no object")
        known = {name: agent[name] for name in form.AGENT_FIELDS if name in agent}
        check(fields(form.AGENT_FIELDS), known, where)
        first = first or agent
        if name := form.other_agent(first, agent):
            raise CoTGapError(
                f"{where}.{name}: {shown(agent.get(name))}, but in the first run "
                f"{shown(first.get(name))}: a submission is of one agent"
            )


def _check_size(runs: list[dict[str, Any]]) -> int:
    """The number of runs, if they plan no more episodes than a file may hold, and none twice."""
    total = 0
    for index, run in enumerate(runs):
        config = run["config"]
        names = [plan["name"] for plan in config["panels"]]
        if len(set(names)) < len(names):
            raise CoTGapError(f"{form.MANIFEST}, runs[{index}].config.panels: lists a panel twice")
        tasks = sum(len(plan["tasks"]) for plan in config["panels"])
        total += tasks * config["repeats"] * len(config["modes"])
    if total > form.MAX_EPISODES:
        raise CoTGapError(
            f"{form.MANIFEST}, runs: {total:,} episodes are planned, where {form.MAX_EPISODES:,} "
            "are allowed"
        )
    digests = [run["digest"] for run in runs]
    if len(set(digests)) < len(digests):
        raise CoTGapError(f"{form.MANIFEST}, runs: holds a run twice (two digests are equal)")
    return len(runs)


def _run(data: Mapping[str, Any], episodes: list[Episode]) -> SubmittedRun:
    config = data["config"]
    return SubmittedRun(
        digest=data["digest"],
        config=config,
        versions=tuple(data["versions"]),
        hardware=data["hardware"],
        plans=tuple(map(PanelPlan.from_json, config["panels"])),
        episodes=tuple(episodes),
    )
