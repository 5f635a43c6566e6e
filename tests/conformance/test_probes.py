"""What every probe owes its users, on suites that have all that probes need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.benchmark.probes.core import BACKEND, ENVIRONMENT, Probe, probes
from cotgap.benchmark.probes.running import ProbeConfig, Watch, load, read_config, run_probe
from cotgap.benchmark.rollout.engines.local import LocalSite
from tests.benchmark import doubles
from tests.benchmark.test_probes import configure

PROBES = list(probes().values())
LIKE = {"toy/id": doubles.another, "household/id": doubles.another}


@pytest.mark.parametrize("panel", LIKE)
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_every_probe(probe: Probe, panel: str, tiny: TransformersBackend, tmp_path: Path) -> None:
    assert set(probe.needs) <= set(ENVIRONMENT)
    assert set(probe.backend_needs) <= set(BACKEND)
    assert probe.title
    assert probe.doc
    agent = doubles.agent(tiny, doubles.expert, doubles.follow(doubles.another))
    site, config = LocalSite(agent), configure(agent, probe.name, panel, states=2)
    assert ProbeConfig(**vars(config)).digest == config.digest
    first = run_probe(site, config, tmp_path / "first", Watch(), width=1)
    assert first.complete
    assert first.panels[0].states > 0
    assert read_config(tmp_path / "first") == config
    assert load(tmp_path / "first").panels == first.panels, "figures are of the rows alone"
    for figure in first.panels[0].figures:
        estimate = figure.estimate
        assert estimate.n > 0
        assert estimate.unit in ("states", "tasks")
        assert estimate.low is None or estimate.low <= estimate.value
        assert estimate.high is None or estimate.high >= estimate.value
        assert estimate.unit == "tasks" or estimate.clusters is not None or estimate.n <= 5
    json.dumps(first.to_json())
    # The order and number of tasks at a time change nothing.
    other = run_probe(site, config, tmp_path / "other", Watch(), width=5)
    assert [panel.figures for panel in other.panels] == [panel.figures for panel in first.panels]


def test_probes_are_found() -> None:
    assert {"attribution", "branch", "conflict", "dose", "offline"} <= set(probes())
