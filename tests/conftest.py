"""Real data for the tests, unpacked once per machine.

The archives are looked for in `$COTGAP_SHARED/data`, or in `../shared/data` beside this repository.
Without them a test that needs real games is skipped, but fails where `CI` is set.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

pytest_plugins = ["tests.fixtures", "tests.browser", "tests.workers"]
_BESIDE = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def alfworld_data() -> Path:
    """A folder with `json_2.1.1/` as `alfworld-download` leaves it today: train and both panels."""
    return _unpacked("alfworld_current.tar.xz")


@pytest.fixture(scope="session")
def alfworld_older_data() -> Path:
    """A folder with `json_2.1.1/` of both panels in the wording before ALFWorld 0.4."""
    return _unpacked("alfworld_older_wording.tar.xz")


def _unpacked(name: str) -> Path:
    archive = Path(os.environ.get("COTGAP_SHARED", _BESIDE)) / "data" / name
    if not archive.is_file():
        reason = f"no {archive}: set COTGAP_SHARED to the folder that holds data/{name}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    cache = Path(tempfile.gettempdir()) / f"cotgap-tests-{getpass.getuser()}"
    target = cache / f"{name.split('.')[0]}-{digest}"
    if not target.is_dir():
        cache.mkdir(mode=0o700, exist_ok=True)
        _unpack(archive, target)
    return target


def _unpack(archive: Path, target: Path) -> None:
    """Unpack beside the target, then rename: other workers see all of it or nothing."""
    parts = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(parts, filter="data")
        try:
            parts.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another worker was faster
                raise
    finally:
        shutil.rmtree(parts, ignore_errors=True)
