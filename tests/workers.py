"""How `pytest -n` shares the tests out among its workers: by file, the slowest files first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

# Files of more than some ten seconds of processor time. One that were begun last would keep a
# worker busy when the others have nothing left.
SLOWEST = (
    "tests/test_wheel.py",
    "tests/benchmark/test_ray.py",
    "tests/agents/test_checkpoints.py",
    "tests/test_extending.py",
    "tests/test_plugins.py",
    "tests/test_extras.py",
    "tests/agents/test_smollm2.py",
    "tests/compare/test_plugin.py",
    "tests/agents/training/test_train.py",
    "tests/benchmark/test_sweep.py",
    "tests/conformance/test_environments.py",
    "tests/envs/test_textworld.py",
    "tests/tools/test_household_parity.py",
    "tests/tools/test_decoding_speed.py",
    "tests/leaderboards/test_committed_entries.py",
)
# A server of a model takes twenty seconds of processor time: one worker starts it for all of them.
SERVED = (
    "tests/agents/test_answers.py",
    "tests/agents/test_openai.py",
    "tests/benchmark/test_servers.py",
    "tests/conformance/test_backends.py",
)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {file: place for place, file in enumerate((*SERVED, *SLOWEST))}
    items.sort(key=lambda item: order.get(_file(item.nodeid), len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """`--dist loadfile`, in which the `SERVED` files are one."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):  # type: ignore[misc, unused-ignore]
        def _split_scope(self, nodeid: str) -> str:
            file = _file(nodeid)
            return SERVED[0] if file in SERVED else file

    return Scheduling(config, log)
