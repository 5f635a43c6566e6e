"""The form of a submission file: its members, its limits, and what each field may hold.

The limits bound what reading a stranger's file costs, and are far above what honest runs need: a
run of all 274 ALFWorld games in both modes has 548 episodes of at most 50 steps each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cotgap.leaderboards.schema import (
    Check,
    fields,
    flag,
    items,
    line,
    maybe,
    number,
    one_of,
    pattern,
    plain,
    table,
    task_key,
    text,
    web_address,
    whole,
)
from cotgap.leaderboards.submission import SCHEMA

MANIFEST, EPISODES = "manifest.json", "episodes.jsonl"
MEMBERS = (MANIFEST, EPISODES)

# Bytes of the file: GitHub refuses files over 100 MB, and entries come by pull request.
MAX_FILE = 95_000_000
# Bytes of the zip's directory: two entries of these names take under 200, and every entry beyond
# them would cost memory before anything of it is checked.
MAX_DIRECTORY = 400
# Bytes that LZMA looks back: what its level 6, which is what packing uses, needs is 8 MiB. The
# reader of a stream that asks for more would have to allocate it.
MAX_DICTIONARY = 1 << 23
# Bytes of the manifest: a configuration lists the ids of the tasks it played, some 80 bytes each.
MAX_MANIFEST = 8 << 20
# Bytes of all episodes: they are all held in memory at once, at two to three times their size.
MAX_EPISODES_SIZE = 512 << 20
# Bytes of one episode: 50 steps in ALFWorld take under 0.2 MB, 100 long ones elsewhere under 3 MB.
MAX_LINE = 8 << 20
# Episodes in a file, and so also lines.
MAX_EPISODES = 50_000
# Digits of a whole number: seeds have 63 bits, so 19 digits; reading long numbers takes long.
MAX_DIGITS = 20
# Runs in a file: one for each protocol or setting that an agent was measured under.
MAX_RUNS = 32
MAX_PANELS = 200  # there are about a hundred
MAX_TASKS = 20_000  # of a panel: ALFWorld's largest has 3,553
MAX_MODES = 8  # there are two
MAX_REPEATS = 1_000
MAX_STEPS = 5_000  # of an episode: the longest step limit of a suite is 100
MAX_SESSIONS = 1_000  # starts and resumptions of a run under other versions
# Characters. An observation is at most 16,384 by the environments' own space, but for tasks that
# are longer by nature; a reply of 512 tokens has some 2,000.
MAX_OBSERVATION = 200_000
MAX_REPLY = 1_000_000
MAX_NAME = 80  # of an agent or an organisation, in a table's column
MAX_DESCRIPTION = 1_000
MAX_ADDRESS = 300
MAX_LABEL = 200  # a version, a processor's name, a configuration's key
MAX_TASK = 300  # characters of a task key
MAX_TOKENS = 10**9  # read or written, in an episode
MAX_SECONDS = 10**8  # three years
# Free-form parts (an agent's description, a checkpoint's training settings): depth, parts, text.
FREE = (6, 2_000, 4_000)

SHA256 = pattern("[0-9a-f]{64}", "SHA-256 in 64 lower-case hexadecimal digits")
MODE = pattern("[a-z][a-z0-9_-]{0,31}", "name of a mode")
PANEL = pattern(r"[a-z0-9_]{1,32}/[\w:@.-]{1,64}", "panel (SUITE/SPLIT)")
PROTOCOL = pattern("[a-z0-9+=-]{1,64}", "protocol id")
LABEL = line(MAX_LABEL, least=1)
CIRCUMSTANCES = table(LABEL, line(MAX_LABEL), 32)
SEED = whole(-(2**63), 2**63 - 1)
SECONDS = number(0, MAX_SECONDS)
FINITE = number(-1e9, 1e9)

TRAINED_ON = items(
    fields(
        {
            "suite": LABEL,
            "panel": PANEL,
            "kinds": items(line(MAX_LABEL), 1_000),
            "wording": LABEL,
        },
        optional={
            "endless": flag,
            "held_out_tasks": items(line(MAX_TASK), MAX_TASKS),
            "noise": number(0, 1),
            "suite_version": LABEL,
            "lock": SHA256,
        },
    ),
    1_000,
)
PARENT_FIELDS: dict[str, Check] = {
    "name": maybe(LABEL),
    "fingerprint": maybe(SHA256),
    "step": maybe(whole(0, 10**12)),
    "trained_on": TRAINED_ON,
}
# What is kept of a checkpoint's card; its curves and measurements are left out.
CARD_FIELDS: dict[str, Check] = {
    "trained_on": TRAINED_ON,
    "parent": maybe(fields({}, optional=PARENT_FIELDS)),
    "step": maybe(whole(0, 10**12)),
    "parameters": maybe(whole(0, 10**14)),
    "tokens": maybe(whole(0, 10**16)),
    "data_sha256": maybe(SHA256),
    "config": maybe(plain(*FREE)),
}
CARD = fields({}, optional=CARD_FIELDS)
ENTRANT_FIELDS: dict[str, Check] = {
    "name": line(MAX_NAME, least=1),
    "organisation": line(MAX_NAME),
    "url": web_address(MAX_ADDRESS),
    "description": line(MAX_DESCRIPTION),
    "card": maybe(CARD),
}

PLAN = fields(
    {
        "name": PANEL,
        "lock": SHA256,
        "step_limit": whole(1, MAX_STEPS),
        "size": whole(1, MAX_TASKS),
        "tasks": items(line(MAX_TASK, least=1), MAX_TASKS, least=1, distinct=True),
    }
)
SAMPLING = fields({"temperature": number(0, 10), "top_p": number(5e-324, 1)})
LIMITS = fields(
    {
        "action_tokens": whole(1, MAX_TOKENS),
        "thought_tokens": whole(0, MAX_TOKENS),
        "timeout": maybe(number(5e-324, MAX_SECONDS)),
    }
)
CONFIG_FIELDS: dict[str, Check] = {
    "agent": plain(*FREE),  # what of it is relied on: see AGENT
    "protocol": PROTOCOL,
    "modes": items(MODE, MAX_MODES, least=1, distinct=True),
    "shadow": one_of("auto", "all"),
    "panels": items(PLAN, MAX_PANELS, least=1),
    "repeats": whole(1, MAX_REPEATS),
    "sampling": SAMPLING,
    "limits": LIMITS,
    "seed": SEED,
}
TAG = pattern(r"\S.{0,62}\S", "tag")
TAGS = fields(dict.fromkeys(("think_open", "think_close", "action_open", "action_close"), TAG))
AGENT_FIELDS: dict[str, Check] = {
    "name": LABEL,
    "fingerprint": SHA256,
    "protocol": PROTOCOL,
    "tags": TAGS,
    "backend": LABEL,
}
# Of these, all runs of a file hold the same: they are of one agent.
SAME_AGENT = ("name", "fingerprint", "tags", "backend", "dtype")


def other_agent(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first of `SAME_AGENT` in which two runs' agents differ; empty where they are one."""
    return next((name for name in SAME_AGENT if one.get(name) != other.get(name)), "")


RUN = fields(
    {
        "digest": SHA256,
        "config": fields(CONFIG_FIELDS),
        "versions": items(CIRCUMSTANCES, MAX_SESSIONS, least=1),
        "hardware": CIRCUMSTANCES,
    }
)
MANIFEST_FORM = fields(
    {
        "schema": one_of(SCHEMA),
        "entrant": fields(ENTRANT_FIELDS),
        "runs": items(RUN, MAX_RUNS, least=1),
    }
)

USAGE_FIELDS: dict[str, Check] = {
    "prompt_tokens": whole(0, MAX_TOKENS),
    "completion_tokens": whole(0, MAX_TOKENS),
    "seconds": SECONDS,
    "dropped_steps": whole(0, MAX_STEPS),
    "cached_tokens": whole(0, MAX_TOKENS),
}
DECISION_FIELDS: dict[str, Check] = {
    "mode": MODE,
    "action": maybe(text(MAX_REPLY)),
    "thought": maybe(text(MAX_REPLY)),
    "raw": text(MAX_REPLY),
    "parse_error": maybe(LABEL),
    "finish_reason": one_of("stop", "length", "eos"),
    "usage": fields(USAGE_FIELDS),
}
STEP_FIELDS: dict[str, Check] = {
    "observation": text(MAX_OBSERVATION),
    "decision": fields(DECISION_FIELDS),
    "reward": FINITE,
    "valid": flag,
    "shadows": table(MODE, fields(DECISION_FIELDS), MAX_MODES),
    "canonical": table(MODE, text(MAX_REPLY), MAX_MODES),
    "cost_to_go": table(MODE, maybe(whole(0, 10**6)), MAX_MODES + 1),
    "env_seconds": SECONDS,
}
EPISODE_FIELDS: dict[str, Check] = {
    "task_key": task_key(MAX_TASK),
    "lock": SHA256,
    "fingerprint": SHA256,
    "protocol": PROTOCOL,
    "mode": MODE,
    "repeat": whole(0, MAX_REPEATS - 1),
    # What has no score cannot be in a complete run.
    "status": one_of("success", "failure", "truncated"),
    "score": FINITE,
    "steps": items(fields(STEP_FIELDS), MAX_STEPS),
    "final_observation": text(MAX_OBSERVATION),
    "task_kind": line(MAX_LABEL),
    "goal": text(MAX_OBSERVATION),
    "error": one_of(None),
    "usage": fields({**USAGE_FIELDS, "prompt_tokens": whole(0, 10**12)}),
    "reset_seconds": SECONDS,
    "wall_seconds": SECONDS,
    "schema": one_of(1),
}
LINE = fields({"run": whole(0, MAX_RUNS - 1), "episode": fields(EPISODE_FIELDS)})

RECEIPT_FIELDS: dict[str, Check] = {
    "sha256": SHA256,
    "tier": one_of("self-reported", "replayed", "re-decoded"),
    "date": pattern(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", "date (YYYY-MM-DD)"),
    "versions": CIRCUMSTANCES,
    "redecoded": whole(0, 10**9),
    "agreed": whole(0, 10**9),
    "seed": whole(0, 2**63),
}
# A slug is a file's name and part of a page's address.
SLUG = "[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?"
