"""Local models: the bundled checkpoints, a checkpoint folder, or a GGUF file."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from cotgap.agents.agent import Agent
from cotgap.agents.backends.core import BackendKind
from cotgap.agents.checkpoints import DEFAULT, bundled_path, smollm2_path
from cotgap.agents.options import LocalOptions
from cotgap.agents.protocol import TAGS_1, PromptProtocol
from cotgap.envs.core import CoTGapError

NAMES = ("ckpt", "smollm2")
SLOW_NOTICE = (
    "This model is decoded in {}, which read every prompt from its beginning: {}. "
    "Other architectures are several times faster here."
)


def open_local(
    spec: str, options: LocalOptions, protocol: PromptProtocol | None, batch_size: int | None
) -> Agent:
    """Load the checkpoint that a spec names."""
    path = checkpoint(spec)
    from cotgap.agents.decoding.backend import TransformersBackend  # torch: seconds to import

    backend = TransformersBackend.open(path, batch_size=batch_size, **asdict(options))
    reason = backend.fallback_reason
    notice = SLOW_NOTICE.format(backend.decoding, reason) if reason else ""
    return Agent(_name(spec, path), spec, backend, protocol or TAGS_1, notice=notice)


def checkpoint(spec: str) -> Path:
    """The folder or file that a spec names; raises `CoTGapError` where there is none."""
    if spec == "smollm2":
        return smollm2_path()
    name, _, bundled = spec.partition(":")
    if name == "ckpt":
        return bundled_path(bundled or DEFAULT)
    path = os.path.expanduser(spec)  # unlike pathlib's, these two take any text
    if not os.path.exists(path):
        raise CoTGapError(f"there is no checkpoint at {path}: give a folder or a .gguf file")
    return Path(path)


def _is_path(spec: str) -> bool:
    """Whether a spec is a path, or can be nothing else."""
    looks_so = spec.endswith(".gguf") or "/" in spec or "\\" in spec
    return looks_so or os.path.exists(os.path.expanduser(spec))


def _name(spec: str, path: Path) -> str:
    """The same for every way of writing a path."""
    if spec in NAMES or spec.startswith("ckpt:"):
        return spec
    return path.resolve().name if path.is_dir() else path.name


BACKEND = BackendKind(
    name="transformers",
    open=open_local,
    names=NAMES,
    schemes=("ckpt",),
    claims=_is_path,
    forms=("ckpt:NAME (a bundled checkpoint)", "a checkpoint folder", "a .gguf file"),
    options=LocalOptions,
    path=checkpoint,
)
