"""The baseline: made on the fly here; usually a folder that is kept from the last release."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def baseline() -> Path:
    folder = HERE / "runs" / "released"
    if (folder / "summary.json").exists():  # as when several workers run the tests
        return folder
    command = [sys.executable, "-m", "cotgap", "run", "--agent", "my_agent:released"]
    command += ["--panel", "toy/id", "--out", str(folder), "--quiet"]
    subprocess.run(command, check=True, cwd=HERE, stdout=subprocess.DEVNULL)
    return folder
