"""Makes every suite playable that can be: the conformance tests run over all of them."""

from __future__ import annotations

import os

import pytest

from cotgap import envs
from cotgap.envs.core import Panel, Suite


@pytest.fixture
def playable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives the test's suite its data; skips where it has none (and fails in CI)."""
    subject = request.node.callspec.params.get("panel") or request.node.callspec.params["suite"]
    name = subject.suite if isinstance(subject, Panel) else subject.name
    assert isinstance(subject, (Panel, Suite))
    if name == "alfworld":
        monkeypatch.setenv("ALFWORLD_DATA", str(request.getfixturevalue("alfworld_data")))
    now = envs.get_suite(name).availability()
    if not now.usable:
        assert not os.environ.get("CI"), f"{name}: {now.reason}. Fix: {now.fix}"
        pytest.skip(f"{now.reason}. Fix: {now.fix}")
