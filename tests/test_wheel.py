"""The wheel, installed beside openai-agents, in a project that has `envs` and `agents` of its own.

One build and one virtual environment serve all tests; both need a package index. Commands run under
every difficulty at once: in a path with spaces and letters beyond ASCII, without HOME, under
LC_ALL=C, and with an install folder that cannot be written. Where `COTGAP_DIST` names a folder, the
wheel and sdist in it are tested instead of new ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import cotgap
from cotgap.agents.checkpoints import DEFAULT

ROOT = Path(__file__).parents[1]
FOLDERS = ("agents", "benchmark", "envs", "leaderboards")
SOURCES = ("cotgap", *FOLDERS)
FILES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
MOST = 15e6  # bytes of a wheel or sdist
OWN = ("agents", "benchmark", "envs", "tests")  # what the project calls its packages
UNSET = ("HOME", "LANGUAGE", "VIRTUAL_ENV")
# Root may write where nobody may, unless that is taken away.
BOUND = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
UNSET_PREFIXES = ("LC_", "PYTHON", "PYTEST_", "COTGAP_")

AGENT = '''
def make():
    """Knows the way."""

    def answer(request):
        closing = "" if request.mode == "prompt" else "I know the way.</think>\\n<action>"
        return f"{closing}{request.env.expert_action()}</action>"

    return answer
'''
TESTS = """
import agents
import benchmark
import envs
import tests
from cotgap import agents as theirs


def test_no_worse(agent_gate):
    agent_gate("my_agent:make", baseline="runs/released", margin=20)
    assert {module.OWNER for module in (agents, benchmark, envs, tests)} == {"somebody"}
    assert theirs is not agents
"""


@dataclass(frozen=True)
class Somebody:
    """Who installed the wheel: a virtual environment, and a project to work in."""

    prefix: Path
    project: Path

    @property
    def packages(self) -> Path:
        """The environment's site-packages."""
        scheme = {"base": str(self.prefix), "platbase": str(self.prefix)}
        return Path(sysconfig.get_path("purelib", "posix_prefix", vars=scheme))

    def run(self, command: str, *args: str, cwd: Path | None = None, code: int = 0) -> str:
        """The output of one of the environment's commands, which must end with this code."""
        env = {
            name: value
            for name, value in os.environ.items()
            if name not in UNSET and not name.startswith(UNSET_PREFIXES)
        }
        env |= {"LANG": "C", "LC_ALL": "C", "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
        env |= {"COTGAP_CACHE": str(self.project.parent / "cache")}
        done = subprocess.run(
            [*(BOUND if os.geteuid() == 0 else ()), self.prefix / "bin" / command, *args],
            cwd=cwd or self.project,
            env=env,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )
        assert done.returncode == code, f"{command} {args}:\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def python(self, code: str, cwd: Path | None = None) -> list[str]:
        """The words that a program prints."""
        return self.run("python", "-c", code, cwd=cwd).split()


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist, and the wheel that was built from it."""
    if given := os.environ.get("COTGAP_DIST"):
        return Path(given).resolve()
    source, out = (tmp_path_factory.mktemp(name) for name in ("source", "dist"))
    for name in SOURCES:  # a copy: an earlier build's leftovers in the clone would be taken in
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored, symlinks=True)
    for name in FILES:
        shutil.copy(ROOT / name, source)
    _build(sys.executable, "-m", "build", "--outdir", str(out), str(source))
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def somebody(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Somebody]:
    place = tmp_path_factory.mktemp("somebody") / "the naïve project №1"
    user = Somebody(place / ".venv", place / "project")
    venv.create(user.prefix, with_pip=False)
    # What the tests' own environment holds is seen after what is installed here. Its .pth files are
    # not read, and so not its editable install of this clone.
    seen = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (user.packages / "beside.pth").write_text("\n".join(seen), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(user.prefix)]
    _build(*pip, "install", "--quiet", "openai-agents")
    here = ["--force-reinstall", "--no-deps"]  # although what is seen would do
    _build(*pip, "install", "--quiet", *here, f"pytest=={pytest.__version__}", str(wheel))
    for name in OWN:
        (user.project / name).mkdir(parents=True)
        (user.project / name / "__init__.py").write_text('OWNER = "somebody"\n', encoding="utf-8")
    (user.project / "my_agent.py").write_text(AGENT, encoding="utf-8")
    (user.project / "tests" / "test_mine.py").write_text(TESTS, encoding="utf-8")
    before = _files(user.packages)
    _chmod(user.packages, 0o555)
    try:
        yield user
        assert _files(user.packages) == before, "something was written into the install folder"
    finally:
        _chmod(user.packages, 0o755)


def _build(*command: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def _files(folder: Path) -> dict[Path, int]:
    """What lies in a folder, and when it was written; without bytecode."""
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.suffix != ".pyc" and path.is_file()
    }


def _chmod(folder: Path, mode: int) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(mode)


def test_what_is_shipped(dist: Path, wheel: Path) -> None:
    """Every source and data file but those of the series and the boards' entries."""
    (sdist,) = dist.glob("*.tar.gz")
    assert wheel.name.startswith(f"cotgap-{cotgap.__version__}-py3-none-any")
    assert sdist.name == f"cotgap-{cotgap.__version__}.tar.gz"
    assert all(path.stat().st_size <= MOST for path in (wheel, sdist))
    names = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    shipped = {name for name in names if name.parts[0] == "cotgap"}
    assert {name.parts[0] for name in names - shipped} == {f"cotgap-{cotgap.__version__}.dist-info"}
    checkpoints, entries = Path("cotgap/agents/checkpoints"), Path("cotgap/leaderboards/entries")
    wanted = {
        Path("cotgap", *path.relative_to(ROOT).parts[path.is_relative_to(ROOT / "cotgap") :])
        for name in SOURCES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    wanted = {
        path
        for path in wanted
        if not path.is_relative_to(entries)
        and (path.parent.parent != checkpoints or path.parts[-2] == DEFAULT or path.stem == "card")
    }
    assert shipped == wanted
    with tarfile.open(sdist) as archive:
        tops = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 1}
    assert tops == {*FILES, "PKG-INFO", "cotgap", "cotgap.egg-info", "setup.cfg"}


def test_nothing_else_is_importable(somebody: Somebody, tmp_path: Path) -> None:
    code = (
        "import cotgap, importlib.metadata, importlib.util;"
        "print(cotgap.__version__, importlib.metadata.version('cotgap'));"
        f"print(*(n for n in {FOLDERS!r} if n != 'agents' and importlib.util.find_spec(n)))"
    )
    assert somebody.python(code, tmp_path) == [cotgap.__version__] * 2
    code = "import cotgap.envs.toy as toy; print(ascii(toy.__file__))"
    assert ascii(str(somebody.packages / "cotgap"))[1:-1] in somebody.run("python", "-c", code)


def test_openai_agents_is_whole(somebody: Somebody, tmp_path: Path) -> None:
    """Its import name is `agents`; it is its own, or the project's where the project has one."""
    code = (
        "import base64, hashlib, importlib.metadata as m;"
        "f, = (f for f in m.files('openai-agents') if str(f) == 'agents/__init__.py');"
        "d = hashlib.sha256(f.locate().read_bytes()).digest();"
        "print(base64.urlsafe_b64encode(d).decode().rstrip('=') == f.hash.value)"
    )
    assert somebody.python(code, tmp_path) == ["True"]
    both = "import cotgap.agents.specs, agents; print(agents.{0})"
    assert somebody.python(both.format("Agent.__name__"), tmp_path) == ["Agent"]
    assert somebody.python(both.format("OWNER")) == ["somebody"]


def test_commands(somebody: Somebody) -> None:
    assert cotgap.__version__ in somebody.run("cotgap", "--version")
    assert somebody.run("python", "-m", "cotgap", "--version") == somebody.run(
        "cotgap", "--version"
    )
    assert "household/id" in somebody.run("cotgap", "panels")
    somebody.run("cotgap", "doctor")
    run = ("run", "--agent", "my_agent:make", "--panel", "toy/id", "--episodes", "4", "--quiet")
    assert "all 8 episodes have a score" in somebody.run("cotgap", *run, "--out", "runs/mine")
    ray = ("--engine", "ray", "--workers", "1", "--out", "runs/ray")
    assert "all 8 episodes have a score" in somebody.run("cotgap", *run, *ray)


def test_the_bundled_checkpoint(somebody: Somebody) -> None:
    """Played with its environment in another process, packed, verified and shown."""
    played = somebody.run(
        "cotgap", "run", "--agent", "ckpt", "--panel", "textworld/id", "--episodes", "1",
        "--max-steps", "2", "--env-workers", "1", "--quiet", "--out", "runs/ckpt",
    )  # fmt: skip
    assert "all 2 episodes have a score" in played
    somebody.run("cotgap", "submit", "runs/ckpt", "--out", "mine.jsonl.xz")
    assert "verified" in somebody.run("cotgap", "verify", "mine.jsonl.xz", "--quiet")
    somebody.run("cotgap", "report", "runs/ckpt", "runs/mine", "--out", "pages")
    assert (somebody.project / "pages" / "index.html").is_file()


def test_what_is_not_shipped_is_named(somebody: Somebody) -> None:
    played = ("run", "--agent", "ckpt:tiny-0064", "--panel", "toy/id", "--quiet")
    (line,) = somebody.run("cotgap", *played, code=2).splitlines()
    assert "agents/checkpoints/tiny-0064 from CoTGap's repository" in line
    for command in (("check",), ("board", "build")):
        (line,) = somebody.run("cotgap", *command, code=2).splitlines()
        assert "leaderboards/entries from CoTGap's repository" in line


@pytest.mark.parametrize("command", [("pytest",), ("python", "-m", "pytest")])
def test_the_gate(somebody: Somebody, command: tuple[str, ...]) -> None:
    """The project's tests import its own packages, and use the plugin, in one process."""
    if not (somebody.project / "runs" / "released").exists():
        played = ("run", "--agent", "expert", "--panel", "toy/id", "--quiet")
        somebody.run("cotgap", *played, "--out", "runs/released")
    assert "1 passed" in somebody.run(*command, "-p", "no:cacheprovider")
