"""The masking study: its numbers on made-up episodes, and end to end on the toy suite."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import t
from typer.testing import CliRunner

from cotgap.agents.options import TrainOptions
from cotgap.agents.training import presets, train
from cotgap.agents.training.presets import Preset, Stage
from cotgap.agents.training.train import train_series
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.records.episode import Episode, Status
from tests.benchmark.building import episode, step
from tools.studies.masking import Cell, app, compare, tidy

TASKS = [f"t{number}" for number in range(10)]


def played(won_prompt: int, won_cot: int) -> list[Episode]:
    """Ten tasks in both modes, of which the first so many are won; half of the states revised."""
    wins = {"prompt": won_prompt, "cot": won_cot}
    return [
        episode(
            task,
            mode,
            Status.SUCCESS if number < won else Status.FAILURE,
            [
                step(
                    mode,
                    "go",
                    ("prompt", "go" if number % 2 else "wait") if mode == "cot" else None,
                )
            ],
        )
        for mode, won in wins.items()
        for number, task in enumerate(TASKS)
    ]


def test_numbers() -> None:
    wins = {Cell(0.0, 0): (2, 4), Cell(0.3, 0): (3, 8), Cell(0.0, 1): (2, 6), Cell(0.3, 1): (5, 8)}
    frame = tidy(compare({cell: played(*won) for cell, won in wins.items()}))
    found = frame.set_index(["metric", "mode", "arm", "interval"])
    assert set(frame["panel"]) == {"toy/id"}
    assert found.loc[("success", "prompt", "plain", "tasks"), "value"] == pytest.approx(0.2)
    assert found.loc[("success", "cot", "masked", "tasks"), "value"] == pytest.approx(0.8)
    assert found.loc[("success", "cot", "plain", "tasks"), "n"] == 20
    lift = found.loc[("success", "cot", "difference", "seeds")]
    assert (lift["value"], lift["n"]) == (pytest.approx(0.3), 2)
    # Differences of 0.4 and 0.2: standard error 0.1, one degree of freedom.
    assert lift["high"] - lift["value"] == pytest.approx(0.1 * t.ppf(0.975, 1))
    assert found.loc[("cot_gap", "prompt-cot", "difference", "tasks"), "value"] == pytest.approx(
        0.1
    )
    assert found.loc[("revision", "prompt-cot", "masked", "tasks"), "value"] == pytest.approx(0.5)
    assert found.loc[("revision", "prompt-cot", "difference", "tasks"), "value"] == 0


def test_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained, played and compared; a second time from what is there, with the same table."""
    stage = Stage(steps=2, batch_size=2, learning_rate=1e-3, warmup=1, checkpoints=1, measured=2)
    shape = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
    }
    preset = Preset(panels=("toy/train",), stage=stage, architecture=shape)
    monkeypatch.setitem(presets.PRESETS, "test", preset)
    monkeypatch.setattr("cotgap.agents.training.sources.HELD_OUT", 3)
    monkeypatch.setattr(train, "CORPUS", 8)
    # An untrained model fills whatever room it is given.
    monkeypatch.setattr("tools.studies.masking.Limits", lambda: Limits(8, 16))
    base = train_series(TrainOptions(preset="test", out=tmp_path / "base", device="cpu"))
    command = f"--out {tmp_path / 'study'} --init {base} --preset test --seeds 2 --episodes 2"
    arguments = [*command.split(), "--panel", "toy/id", "--panel", "toy/ood_layout"]
    first = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert first.exit_code == 0
    made = sorted(path.name for path in (tmp_path / "study").iterdir())
    assert made == ["k0-seed0", "k0-seed1", "k0.3-seed0", "k0.3-seed1", "masking.csv", "runs"]
    frame = pd.read_csv(tmp_path / "study" / "masking.csv")
    assert set(frame["panel"]) == {"toy/id", "toy/ood_layout"}
    weights = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.safetensors"))]
    again = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert again.stdout.partition("toy/id")[2] == first.stdout.partition("toy/id")[2]
    assert weights == [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.safetensors"))]
