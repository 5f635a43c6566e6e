"""The direction of imports, and who may know whose names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cotgap import envs
from cotgap.agents.modes import modes

ROOT = Path(__file__).parents[1]
FOLDERS = ("envs", "agents", "benchmark", "leaderboards")
# package → what of ours it may import, as prefixes of dotted names
ARROWS = {
    "envs": ("cotgap.envs",),
    "agents": (
        "cotgap.agents",
        *(f"cotgap.envs.{m}" for m in "cache core files plugins schema text".split()),
    ),
    "benchmark": ("cotgap.benchmark", "cotgap.agents", "cotgap.envs"),
    "leaderboards": ("cotgap.leaderboards", "cotgap.benchmark", "cotgap.envs"),
    "cotgap": ("cotgap",),
}
OUTSIDE = (*FOLDERS, "tests", "tools")  # top-level names that no package of ours imports
VERIFYING = ("cotgap.agents.core", "cotgap.agents.modes", "cotgap.agents.protocol")
# folder or file within a package → what it may import besides
MORE = {
    ROOT / "agents" / "training": ("cotgap.envs.registry", "cotgap.envs.expert"),
    ROOT / "leaderboards" / "replay.py": (*VERIFYING, "cotgap.agents.text"),
    ROOT / "leaderboards" / "redecode.py": (
        *VERIFYING,
        "cotgap.agents.agent",
        "cotgap.agents.specs",
    ),
    ROOT / "leaderboards" / "options.py": ("cotgap.agents.options",),
    ROOT / "leaderboards" / "schema.py": ("cotgap.agents.core",),
    ROOT / "leaderboards" / "rules.py": ("cotgap.agents.protocol",),
    # A checkpoint's card, and whether it is the checkpoint that played.
    ROOT / "leaderboards" / "cards.py": ("cotgap.agents.checkpoints", "cotgap.agents.fingerprint"),
}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: absolute imports only"
            if node.module == "cotgap":
                yield from (f"cotgap.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


INSTALLED = [*sources(*FOLDERS), *sorted((ROOT / "cotgap").glob("*.py"))]


@pytest.mark.parametrize("path", INSTALLED, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    allowed = (*ARROWS[path.relative_to(ROOT).parts[0]], "cotgap.__version__")
    if path.name == "__main__.py" and path.parent.parent == ROOT:
        allowed = ("cotgap.cli",)  # a door to the one command line
    for place, more in MORE.items():
        allowed += more if place in (path, *path.parents) else ()
    for name in imported(path):
        assert name.split(".")[0] not in OUTSIDE, f"imports {name}, which is not installed"
        if name.split(".")[0] == "cotgap":
            fits = any(name == prefix or name.startswith(f"{prefix}.") for prefix in allowed)
            assert fits, f"imports {name}; allowed: {', '.join(allowed)}"


@pytest.mark.parametrize("path", sources("tools"), ids=lambda p: str(p.relative_to(ROOT)))
def test_tools_import_packages_by_their_installed_names(path: Path) -> None:
    for name in imported(path):
        assert name.split(".")[0] not in (*FOLDERS, "tests"), f"imports {name}"


def test_extensions_are_found_from_the_bottom() -> None:
    """What finds extensions knows no kind's package, nor the registry of suites."""
    found = {name for name in imported(ROOT / "envs" / "plugins.py") if name.startswith("cotgap")}
    assert found == {"cotgap.envs.core"}


def words(path: Path) -> set[str]:
    strings = (
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {word.lower() for text in strings for word in re.findall(r"[\w-]+", text)}


def test_modes_and_runner_know_no_suite() -> None:
    files = sources("agents/modes", "benchmark/rollout", "benchmark/records")
    for path in files:
        assert not words(path) & set(envs.suites()), path


def test_training_knows_suites_by_preset_only() -> None:
    for path in sources("agents/training"):
        if path.name != "presets.py":
            assert not words(path) & (set(envs.suites()) - {"toy"}), path


def test_environments_know_no_mode() -> None:
    for path in sources("envs"):
        assert not words(path) & (set(modes()) - {"prompt"}), path
