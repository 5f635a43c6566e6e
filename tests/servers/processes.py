"""Real servers of models, started by the tests that use them, on loopback."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A port that nothing listens at now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, log: Path, *, env: Mapping[str, str], seconds: float
) -> Iterator[str]:
    """A server of ours while it runs; gives its base URL once it is healthy."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **env},
        )
        try:
            _wait(process, port, log, seconds)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def transformers_serve(
    model: Path, log: Path, *options: str
) -> contextlib.AbstractContextManager[str]:
    """`transformers serve` with one model, in float32 on the CPU."""
    port = free_port()
    # The tests' own Python, whether or not its scripts are on the path.
    start = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", start, "serve", str(model), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--device", "cpu", "--dtype", "float32", *options]
    return running(command, port, log, env={}, seconds=300)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended by itself:\n{log.read_text()[-2000:]}")
        with contextlib.suppress(httpx.RequestError):
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).is_success:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the server is not ready after {seconds} s:\n{log.read_text()[-2000:]}")
