"""Extensions of other distributions: those of docs/extending.md as a package, and broken ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cotgap.benchmark.commands.leftovers import leftovers
from cotgap.envs.plugins import KINDS, Extensions
from tests.commands import elsewhere
from tests.test_extending import ROOT, blocks, files

# The document's files that share a name in a clone, and the names they have in one package.
RENAMED = {"benchmark/metrics/quick.py": "metrics.py", "leaderboards/boards/quick.py": "boards.py"}

# A distribution after "my-extensions" in the alphabet, in which everything is wrong.
ZEBRA = {
    "cotgap.suites": {"counter": "zebra.fine:SUITE", "wrong": "zebra.fine:NOTHING"},
    "cotgap.metrics": {"boom": "zebra.boom:METRIC", "success": "zebra.fine:METRIC"},
    "cotgap.backends": {"alias": "zebra.fine:BACKEND"},
    "cotgap.modes": {"gone": "zebra.fine:MODE", "two words": "zebra.fine:MODE"},
    "cotgap.probes": {"exits": "zebra.exits:PROBE"},
    "cotgap.boards": {"boom": "zebra.boom:BOARD"},
    "cotgap.engines": {"number": "zebra.fine:NOTHING"},
    "cotgap.suite": {"typo": "zebra.fine:SUITE"},
}
SOURCES = {
    "__init__": "",
    "boom": "raise RuntimeError('no\\n  fuel')",
    "exits": "raise SystemExit(3)",
    "fine": "from cotgap.agents.backends.core import BackendKind\n"
    "NOTHING = 7\n"
    "BACKEND = BackendKind('zebra', lambda *all: None)\n",
}
SAID = {
    "suite": [
        "suite 'counter' of zebra 0.3 is left out: my-extensions 1.2 has one of that name",
        "suite 'wrong' of zebra 0.3 is left out: 7 is no Suite",
    ],
    "metric": [
        "metric 'success' of zebra 0.3 is left out: cotgap has one of that name",
        "metric 'boom' of zebra 0.3 is left out: RuntimeError: no fuel",
    ],
    "backend": ["backend 'alias' of zebra 0.3 is left out: it calls itself 'zebra'"],
    "mode": [
        "mode 'two words' of zebra 0.3 is left out: a name is made of letters, digits, _ and -",
        "mode 'gone' of zebra 0.3 is left out: AttributeError: ",
    ],
    "probe": ["probe 'exits' of zebra 0.3 is left out: SystemExit: 3"],
    "board": ["board 'boom' of zebra 0.3 is left out: RuntimeError: no fuel"],
    "engine": ["engine 'number' of zebra 0.3 is left out: 7 is no Callable"],
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document's package, built and installed into a folder, and beside it the broken one."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "my_extensions").mkdir()
    (source / "my_extensions" / "__init__.py").touch()
    (source / "pyproject.toml").write_text(blocks("toml")[0], encoding="utf-8")
    for place, text in files().items():
        name = RENAMED.get(place, Path(place).name)
        (source / "my_extensions" / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
            *("--no-deps", "--no-index", "--no-build-isolation", "--target", target, source),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (target / "zebra").mkdir()
    for name, text in SOURCES.items():
        (target / "zebra" / f"{name}.py").write_text(text)
    write_metadata(target, "zebra", "0.3", ZEBRA)
    return target


def write_metadata(
    folder: Path, name: str, version: str, groups: dict[str, dict[str, str]]
) -> Path:
    """What an installed distribution has beside its code."""
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return metadata


def environment(*sites: Path) -> dict[str, str]:
    """This process's, in which packages of these folders are seen."""
    path = [*map(str, sites), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "COLUMNS": "160"}


def python(
    *args: str, site: Path | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env=environment(*([site] if site else [])),
        capture_output=True,
        text=True,
        timeout=300,
    )


def check_warnings(stderr: str, *expected: str) -> None:
    """Each broken extension is named in one line, once."""
    lines = [line for line in stderr.splitlines() if line.startswith("warning: ")]
    assert sorted(lines) == sorted(f"warning: {line}" for line in expected)


def test_panels_lists_the_suite(installed: Path) -> None:
    done = python("-m", "cotgap", "panels", site=installed)
    assert done.returncode == 0, done.stderr
    assert "counter/id" in done.stdout
    assert "cotgap/Counter-v0" in done.stdout
    assert "toy/id" in done.stdout
    check_warnings(done.stderr, *SAID["suite"], *SAID["backend"])


def test_a_run_is_played_and_reported(installed: Path, tmp_path: Path) -> None:
    """Suite, backend with its option, mode, engine and metric are another distribution's."""
    args = ["run", "--agent", "parrot:up", "--parrot-thought", "Up and up."]
    args += ["--panel", "counter/id", "--mode", "brief,prompt", "--engine", "nice", "--quiet"]
    done = python("-m", "cotgap", *args, "--out", "run", site=installed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "complete: all 10 episodes" in done.stdout
    assert re.search(r"won in five +60\.0%", done.stdout), done.stdout
    assert "brief" in done.stdout
    records = (tmp_path / "run" / "episodes.jsonl").read_text(encoding="utf-8")
    assert "<think>In short:Up and up.</think>" in records
    check_warnings(done.stderr, SAID["suite"][0], *SAID["metric"], *SAID["backend"])

    done = python("-m", "cotgap", "report", "run", "--out", "pages", site=installed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "pages" / "sizes.html").read_text(encoding="utf-8")
    assert "parrot:up: 10 episodes" in page


def test_a_probe_asks(installed: Path, tmp_path: Path) -> None:
    args = ["probe", "agree", "--agent", "parrot:up", "--panel", "toy/id", "--quiet"]
    done = python("-m", "cotgap", *args, site=installed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"same action.*100\.0%", done.stdout), done.stdout


def test_the_board_and_the_broken_one(installed: Path) -> None:
    code = "from cotgap.leaderboards.boards.core import boards; print(*boards())"
    done = python("-c", code, site=installed)
    assert "quick" in done.stdout.split()
    assert SAID["board"][0] in done.stderr
    assert "PluginWarning" in done.stderr


WRONG = {
    ("panels", "wrong"): f"unknown suite 'wrong'.*{SAID['suite'][1]}",
    ("probe", "exits", "--agent", "noop", "--panel", "toy/id"): (
        f"unknown probe 'exits'.*{SAID['probe'][0]}"
    ),
    ("run", "--agent", "noop", "--panel", "toy/id", "--mode", "gone"): (
        f"unknown mode 'gone'.*{SAID['mode'][1]}"
    ),
    ("run", "--agent", "noop", "--panel", "toy/id", "--engine", "number"): (
        f"unknown engine 'number'.*{SAID['engine'][0]}"
    ),
    ("run", "--agent", "noop", "--panel", "countr/id"): (
        r"unknown suite 'countr'\. Did you mean 'counter'"
    ),
}


def test_what_is_broken_says_why(installed: Path) -> None:
    found = elsewhere(environment(installed), ROOT, *WRONG, columns=160)
    for done, message in zip(found, WRONG.values(), strict=True):
        assert done.exit_code == 2, done.stdout
        (line,) = [line for line in done.stderr.splitlines() if not line.startswith("warning")]
        assert re.search(message, line), line


def test_doctor_lists_extensions_and_an_old_install(installed: Path, tmp_path: Path) -> None:
    finder = tmp_path / "__editable___cotgap_0_1_0_finder.py"
    finder.write_text(FINDER.format(mapping={"envs": "/x/envs"}))
    (done,) = elsewhere(environment(installed, tmp_path), ROOT, ("doctor",), columns=160)
    assert done.exit_code == 1, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    for kind, name in {
        "suite": "counter",
        "backend": "parrot",
        "mode": "brief",
        "metric": "quick",
        "probe": "agree",
        "engine": "nice",
        "section": "sizes",
    }.items():
        assert f"✓ {kind} '{name}' of my-extensions 1.2" in lines
    for kind, said in SAID.items():
        if kind != "board":
            for start in said:
                assert any(line.startswith(f"✗ {start}") for line in lines), start
    assert any("'typo' of zebra 0.3 is in the group 'cotgap.suite'" in line for line in lines)
    assert "fix: pip install --upgrade zebra, or pip uninstall zebra" in lines
    assert f"{finder} is left of an older install: agents, benchmark, envs" in done.stdout
    assert f"fix: pip uninstall cotgap; delete {finder}" in done.stdout


def test_a_suite_is_imported_when_it_is_played(installed: Path, tmp_path: Path) -> None:
    """Ids are registered without any; making or playing one imports that one."""
    show = "print(*sorted({m.split('.')[2] for m in sys.modules if m.startswith('cotgap.envs.')}))"
    code = f"import sys, gymnasium, cotgap.envs; {show};"
    code += f"gymnasium.make('cotgap/Counter-v0'); {show}; print('my_extensions' in sys.modules);"
    code += f"gymnasium.make('cotgap/Toy-v0'); {show};"
    code += "print(*(i for i in gymnasium.registry if i.startswith('cotgap/')))"
    done = python("-c", code, site=installed)
    assert done.returncode == 0, done.stderr
    first, counter, mine, toy, ids = done.stdout.splitlines()
    suites = {"alfworld", "bfcl", "household", "scienceworld", "textworld", "toy"}
    assert not suites & set(first.split())
    assert (counter, mine) == (first, "True")
    assert suites & set(toy.split()) == {"toy"}
    names = (
        "ALFWorld",
        "BFCL",
        "Household",
        "ScienceWorld",
        "TextWorld",
        "Toy",
        "Counter",
        "Wrong",
    )
    assert ids.split() == [f"cotgap/{name}-v0" for name in names]

    code = "import sys; from cotgap.cli import main\n"
    code += "sys.argv[1:] = ['run', '--agent', 'noop', '--panel', 'toy/id', '--episodes', '1']\n"
    code += f"try: main()\nexcept SystemExit: {show}"
    played = python("-c", code, cwd=tmp_path)
    assert played.returncode == 0, played.stderr
    assert suites & set(played.stdout.splitlines()[-1].split()) == {"toy"}


def test_our_own_mistakes_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of our own folder that is no extension, or goes by another name."""
    folder = tmp_path / "rooms_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "core.py").touch()
    (folder / "fine.py").write_text("SITE = print")
    (folder / "empty.py").touch()
    (folder / "named.py").write_text("class SITE:\n    name = 'other'")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__(folder.name)
    found: Extensions[object] = Extensions("engine", folder.name, "SITE", object, helpers=["core"])
    assert found.names()[:3] == ["empty", "fine", "named"]
    assert f"{folder.name}.fine" not in sys.modules
    assert found.get("fine") is print
    with pytest.raises(TypeError, match=r"named:SITE: it calls itself 'other'"):
        found.get("named")
    typed: Extensions[object] = Extensions("engine", folder.name, "SITE", type, helpers=["core"])
    with pytest.raises(TypeError, match=r"empty:SITE: None is no type"):
        typed.get("empty")
    with pytest.raises(ValueError, match="unknown kind of extension 'suites'"):
        Extensions("suites", folder.name, "SITE", object)


def test_every_kind_is_in_the_document() -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    for kind in KINDS:
        assert f"| `cotgap.{kind}s` |" in text
        assert f'[project.entry-points."cotgap.{kind}s"]' in text


FINDER = """
MAPPING: dict[str, str] = {mapping}
NAMESPACES: dict[str, list[str]] = {{}}
"""


def test_an_old_install_is_found(tmp_path: Path) -> None:
    clone, new, old = tmp_path / "clone", tmp_path / "new", tmp_path / "old"
    for folder in (clone / "envs", new, old):
        folder.mkdir(parents=True)
    (clone / "envs" / "core.py").touch()
    finder = "__editable___cotgap_0_1_0_finder.py"
    (new / finder).write_text(FINDER.format(mapping={"cotgap": "/x/cotgap"}))
    write_metadata(new, "cotgap", "0.2", {}).joinpath("top_level.txt").write_text("cotgap\n")
    assert leftovers([str(new)]) == []

    (old / finder).write_text(FINDER.format(mapping={"agents": "/x/agents", "envs": "/x/envs"}))
    pth = old / "__editable__.cotgap-0.1.0.pth"
    pth.write_text(f"{clone}\n")
    metadata = write_metadata(old, "cotgap", "0.1.0", {})
    (metadata / "RECORD").write_text("envs/core.py,,\ncotgap-0.1.0.dist-info/METADATA,,\n")
    assert leftovers([str(new), str(old)]) == [old / finder, pth, metadata]
    (clone / "cotgap").mkdir()
    assert pth not in leftovers([str(old)])
