"""The command line: the way of a submission onto the boards, exit codes, receipts, entries."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cotgap.leaderboards.entries import (
    FOLDER,
    make_receipt,
    read_entries,
    receipt_path,
    write_receipt,
)
from cotgap.leaderboards.read import SubmissionError
from cotgap.leaderboards.schema import Entrant
from tests.commands import cotgap
from tests.leaderboards.making import Content, play, submit

ROOT = Path(__file__).parents[2]
WIDE = {"COLUMNS": "200"}


def run(*args: str | Path) -> tuple[int, str]:
    """Exit code and output of a command in this process."""
    done = cotgap(*args, columns=200, unfold="board")
    return done.exit_code, done.output


def process(*args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leaderboards", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, **WIDE, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def entries(honest: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "entries"
    folder.mkdir()
    (folder / "README.md").write_text("Entries")
    shutil.copy(honest, folder / "noisy.jsonl.xz")
    return folder


def test_the_way_onto_the_boards(tmp_path: Path) -> None:
    """Run, submit, verify, copy, check: each says what to do next."""
    play(tmp_path / "run", "expert", ["household/id"], 3)
    card = tmp_path / "agent.yaml"
    card.write_text("name: The Expert\ntrained_on: [household/train]\n")
    path = tmp_path / "the-expert.jsonl.xz"
    done = process("submit", tmp_path / "run", "--card", card, "--out", path)
    assert done.returncode == 0, done.stderr
    assert f"cotgap verify {path}" in done.stdout
    assert "household/id   3 of 200" in done.stdout
    done = process("verify", path, "--receipt")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified: replayed" in done.stdout
    folder = tmp_path / "entries"
    folder.mkdir()
    shutil.copy(path, folder)
    shutil.copy(receipt_path(path), folder)
    done = process("check", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "entries: 1, all verified" in done.stdout
    (entry,) = read_entries(folder)
    assert (entry.slug, entry.tier) == ("the-expert", "replayed")


def test_an_incomplete_run_is_one_message(noisy_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(noisy_run, tmp_path / "run")
    lines = (folder / "episodes.jsonl").read_text().splitlines(keepends=True)
    (folder / "episodes.jsonl").write_text("".join(lines[:-1]))
    done = process("submit", folder, "--out", tmp_path / "x.jsonl.xz")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {folder} is incomplete: 1 episodes have no score.")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.jsonl.xz").exists()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl.xz").write_text("hello")
    done = process("verify", tmp_path / "x.jsonl.xz")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / 'x.jsonl.xz'}: no submission")


def test_findings_are_a_table(honest: Path, tmp_path: Path) -> None:
    content = Content.of(honest)
    content.lines[0]["episode"]["goal"] = "[bold]win[/]\x1b[31m"
    path = content.write(tmp_path / "x.jsonl.xz")
    code, output = run("verify", path, "--receipt", "--workers", "1")
    assert code == 1
    assert "not verified: 1 findings (goal 1)" in output
    assert "[bold]win[/]" in output
    assert "\x1b[31m" not in output
    assert "no receipt" in output
    assert not receipt_path(path).exists()


def test_a_suite_that_cannot_be_replayed_here(
    alfworld_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(alfworld_data))
    run_folder = play(tmp_path / "run", "expert", ["alfworld/valid_seen"], 1)
    path = submit(tmp_path / "x.jsonl.xz", run_folder)
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    code, output = run("verify", path, "--receipt")
    assert code == 3
    assert "alfworld/valid_seen: 2 episodes were not replayed (no games at" in output
    assert "alfworld-download" in output
    assert not receipt_path(path).exists()


def test_a_receipt_of_decoding_again(honest: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(honest, tmp_path / "x.jsonl.xz"))
    agent = "noisy:prompt=0.5,cot=0.3"
    code, output = run("verify", path, "--redecode", "5", "--agent", agent, "--receipt")
    assert code == 0
    drawn = re.search(r"verified: replayed \((\d+) steps decoded again; 30 are needed", output)
    assert drawn is not None
    assert 5 < int(drawn[1]) < 30, "one of each success, and some others"
    assert json.loads(receipt_path(path).read_text())["tier"] == "replayed"
    code, output = run("verify", path, "--redecode", "40", "--agent", agent, "--receipt")
    assert code == 0
    assert "decoded again: 40 of 40 replies agree" in output
    found = json.loads(receipt_path(path).read_text())
    assert (found["tier"], found["redecoded"], found["agreed"]) == ("re-decoded", 40, 40)
    power = f"with 95 % it would have found {found['flips']} failures turned into successes"
    assert power in output


def test_redecode_and_agent_go_together(honest: Path) -> None:
    code, output = run("verify", honest, "--redecode", "5")
    assert (code, "go together" in output) == (2, True)


# Entries.


def receipt(folder: Path, **changes: Any) -> Path:
    """The receipt of the folder's entry, changed."""
    path = folder / "noisy.jsonl.xz"
    assert run("verify", path, "--receipt", "--quiet")[0] == 0
    content = json.loads(receipt_path(path).read_text())
    receipt_path(path).write_text(json.dumps({**content, **changes}))
    return receipt_path(path)


def test_an_entry_without_a_receipt(entries: Path) -> None:
    (entry,) = read_entries(entries)
    assert (entry.slug, entry.tier) == ("noisy", "self-reported")
    assert run("check", entries)[0] == 0


def test_a_receipt_that_claims_more_than_replaying_shows(entries: Path) -> None:
    """What is there already is believed; of what is new, only what replaying shows."""
    receipt(entries, tier="re-decoded", redecoded=60, agreed=60)
    code, output = run("check", entries)
    assert (code, "verified: replayed, and re-decoded by its receipt" in output) == (0, True)
    before = entries.parent / "before"
    before.mkdir()
    code, output = run("check", entries, "--since", before, "--actor", "tester")
    assert code == 1
    assert "claims 're-decoded', and replaying shows no more than 'replayed'" in output
    assert run("check", entries, "--since", before, "--maintainer")[0] == 0


def test_what_cannot_be_replayed_here_is_no_lie(entries: Path) -> None:
    """Nor a reason to call a receipt false."""
    shutil.copy(FOLDER / "tiny.jsonl.xz", entries)
    shutil.copy(FOLDER / "tiny.json", entries)
    code, output = run("check", entries)
    alfworld = "not replayed: alfworld/" in output
    assert code == (3 if alfworld else 0)
    assert "receipt: " not in output


def test_a_run_that_two_entries_hold(entries: Path) -> None:
    shutil.copy(entries / "noisy.jsonl.xz", entries / "mine.jsonl.xz")
    code, output = run("check", entries)
    assert code == 1
    assert "refused: mine and noisy are copies: the same run of the same agent" in output


def test_a_receipt_never_takes_the_submission_s_place(entries: Path) -> None:
    path = (entries / "noisy.jsonl.xz").rename(entries.parent / "noisy.json")
    before = path.read_bytes()
    code, output = run("verify", path, "--receipt")
    assert (code, "rename the file first" in output) == (2, True)
    assert path.read_bytes() == before


def test_nobody_knows_what_will_be_decoded_again(honest: Path) -> None:
    again = ("--redecode", "3", "--agent", "noisy:prompt=0.5,cot=0.3", "--quiet")
    seeds = [re.findall(r"--seed (\d+)", run("verify", honest, *again)[1]) for _ in range(2)]
    assert len(seeds[0]) == 1
    assert seeds[0] != seeds[1]
    assert "--seed 7" in run("verify", honest, *again, "--seed", "7")[1]


def test_a_receipt_for_what_is_not_so(entries: Path) -> None:
    content = Content.of(entries / "noisy.jsonl.xz")
    content.lines[0]["episode"]["score"] = 0.5
    path = content.write(entries / "noisy.jsonl.xz")
    write_receipt(path, make_receipt(path, "replayed"))
    code, output = run("check", entries)
    assert code == 1
    assert "receipt: claims 'replayed', which was not found here" in output


def _other_file(folder: Path) -> None:
    receipt(folder, sha256="0" * 64)


def _more_agreed(folder: Path) -> None:
    receipt(folder, tier="re-decoded", redecoded=40, agreed=41)


def _too_few_steps(folder: Path) -> None:
    receipt(folder, tier="re-decoded", redecoded=29, agreed=29)


def _too_few_agreed(folder: Path) -> None:
    receipt(folder, tier="re-decoded", redecoded=60, agreed=29)


def _tier_without_steps(folder: Path) -> None:
    receipt(folder, tier="re-decoded")


def _unknown_field(folder: Path) -> None:
    receipt(folder, stars=5)


def _unknown_tier(folder: Path) -> None:
    receipt(folder, tier="perfect")


def _bad_date(folder: Path) -> None:
    receipt(folder, date="yesterday")


def _linked_receipt(folder: Path) -> None:
    (folder / "noisy.json").symlink_to("/etc/passwd")


def _receipt_alone(folder: Path) -> None:
    (folder / "other.json").write_text("{}")


def _strange_file(folder: Path) -> None:
    (folder / "run.sh").write_text("true")


def _strange_slug(folder: Path) -> None:
    (folder / "No<b>.jsonl.xz").write_bytes(b"")


def _linked_entry(folder: Path) -> None:
    (folder / "link.jsonl.xz").symlink_to(folder / "noisy.jsonl.xz")


def _folder(folder: Path) -> None:
    (folder / "more").mkdir()


BAD: list[tuple[Callable[[Path], None], str]] = [
    (_other_file, r"noisy.json: sha256: is of another file"),
    (_more_agreed, "agreed: more than were decoded again"),
    (_tier_without_steps, "redecoded: does not go with its tier"),
    (_too_few_steps, "agreed: too few for its tier"),
    (_too_few_agreed, "agreed: too few for its tier"),
    (_unknown_field, "unknown field 'stars'"),
    (_unknown_tier, "tier: 'perfect' should be 'self-reported', 'replayed' or 're-decoded'"),
    (_bad_date, "date: 'yesterday' is no date"),
    (_linked_receipt, "'noisy.json' is not an ordinary file"),
    (_receipt_alone, "a receipt without its other.jsonl.xz"),
    (_strange_file, "'run.sh' is neither"),
    (_strange_slug, "'No<b>.jsonl.xz' is neither"),
    (_linked_entry, "'link.jsonl.xz' is not an ordinary file"),
    (_folder, "'more' is not an ordinary file"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD, ids=[s.__name__[1:] for s, _ in BAD])
def test_bad_entries(spoil: Callable[[Path], None], message: str, entries: Path) -> None:
    spoil(entries)
    with pytest.raises(SubmissionError, match=message):
        read_entries(entries)
    code, output = run("check", entries)
    assert code == 2
    assert "unreadable: " in output or output.startswith("error: ")


def proposed(entries: Path, tmp_path: Path, actor: str = "tester") -> tuple[int, str]:
    """What the check says of a change, from `tmp_path / "before"` to `entries`, by an account."""
    return run("check", entries, "--since", tmp_path / "before", "--actor", actor, "--quiet")


def test_only_changed_entries_are_checked(entries: Path, tmp_path: Path) -> None:
    shutil.copytree(entries, tmp_path / "before")
    assert "entries: 0, all verified" in proposed(entries, tmp_path)[1]
    newer = play(tmp_path / "run", "noisy:prompt=0.5,cot=0.3", ["toy/id"], 3)
    submit(entries / "newer.jsonl.xz", newer, entrant=Entrant("Newer", owner="tester"))
    code, output = proposed(entries, tmp_path)
    assert (code, "entries: 1, all verified" in output) == (0, True)
    receipt(entries, tier="re-decoded", redecoded=60, agreed=60)
    code, output = proposed(entries, tmp_path)
    assert code == 1
    assert "entries: 2, not all verified" in output


def _copy(folder: Path) -> None:
    shutil.copy(folder / "noisy.jsonl.xz", folder / "mine.jsonl.xz")


def _copy_of_other_name(folder: Path) -> None:
    """Another entrant, another agent, another digest: the texts are the same."""
    content = Content.of(folder / "noisy.jsonl.xz")
    content.header["entrant"] |= {"name": "Better", "owner": "thief"}
    content.config["agent"] |= {"fingerprint": "0" * 64, "name": "better"}
    for line in content.lines:
        line["episode"]["fingerprint"] = "0" * 64
    content.redigest()
    content.write(folder / "mine.jsonl.xz")


def _replaced(folder: Path) -> None:
    content = Content.of(folder / "noisy.jsonl.xz")
    content.header["entrant"]["description"] = "Now mine."
    content.write(folder / "noisy.jsonl.xz")


def _taken_over(folder: Path) -> None:
    content = Content.of(folder / "noisy.jsonl.xz")
    content.header["entrant"]["owner"] = "thief"
    content.write(folder / "noisy.jsonl.xz")


def _removed(folder: Path) -> None:
    (folder / "noisy.jsonl.xz").unlink()


def _its_receipt(folder: Path) -> None:
    receipt(folder)


def _link_that_is_new(folder: Path) -> None:
    (folder / "new.jsonl.xz").symlink_to(folder / "noisy.jsonl.xz")


def _linked_readme(folder: Path) -> None:
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to("/etc/passwd")


def _hidden(folder: Path) -> None:
    (folder / ".noisy.jsonl.xz").write_bytes(b"")


REFUSED: list[tuple[Callable[[Path], None], str, int, str]] = [
    (_copy, "tester", 1, "mine and noisy are copies: the same run of the same agent"),
    (_copy_of_other_name, "thief", 1, "are copies: 12 of 12 episodes with the same texts"),
    (_replaced, "thief", 1, "noisy: replaces an entry of tester, and this is by thief"),
    (_replaced, "", 1, "noisy: replaces an entry of tester, and this is by nobody"),
    (_taken_over, "thief", 1, "noisy: replaces an entry of tester, and this is by thief"),
    (_taken_over, "tester", 1, "noisy: hands an entry of tester over to thief"),
    (_removed, "thief", 1, "noisy: removes an entry of tester, and this is by thief"),
    (_its_receipt, "thief", 1, "noisy: replaces an entry of tester, and this is by thief"),
    (_link_that_is_new, "tester", 2, "'new.jsonl.xz' is not an ordinary file"),
    (_linked_readme, "tester", 2, "'README.md' is not an ordinary file"),
    (_hidden, "tester", 2, "'.noisy.jsonl.xz' is neither"),
]


@pytest.mark.parametrize(
    ("change", "actor", "code", "message"),
    REFUSED,
    ids=[f"{c[0].__name__}-{c[1]}" for c in REFUSED],
)
def test_what_a_change_may_not_do(
    change: Callable[[Path], None],
    actor: str,
    code: int,
    message: str,
    entries: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(entries, tmp_path / "before")
    change(entries)
    found, output = proposed(entries, tmp_path, actor)
    assert message in output
    assert found == code


def test_what_an_owner_may_do(entries: Path, tmp_path: Path) -> None:
    shutil.copytree(entries, tmp_path / "before")
    _replaced(entries)
    assert proposed(entries, tmp_path, "Tester")[0] == 0  # accounts know no case
    _removed(entries)
    assert proposed(entries, tmp_path)[0] == 0


def test_who_enters_says_whose_it_is(entries: Path, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    code, output = proposed(entries, tmp_path, "thief")
    assert (code, "noisy: names the owner tester, and this is by thief" in output) == (1, True)
    content = Content.of(entries / "noisy.jsonl.xz")
    content.header["entrant"]["owner"] = ""
    content.write(entries / "noisy.jsonl.xz")
    code, output = proposed(entries, tmp_path)
    assert (code, "noisy: names no owner" in output) == (1, True)


def test_a_folder_that_is_a_link_to_the_one_before(entries: Path, tmp_path: Path) -> None:
    before = entries.rename(tmp_path / "before")
    entries.symlink_to(before)
    code, output = proposed(entries, tmp_path)
    assert (code, "is a link" in output) == (2, True)
    code, output = proposed(before, tmp_path)
    assert (code, "is the folder that is checked" in output) == (2, True)


def _other_seed(content: Content) -> None:
    content.config["seed"] = 7


def _modes_of_two_runs(content: Content) -> None:
    other = json.loads(json.dumps(content.header["runs"][0]))
    content.config["modes"], other["config"]["modes"] = ["prompt"], ["cot"]
    content.config["shadow"] = other["config"]["shadow"] = "auto"
    content.header["runs"].append(other)
    for line in content.lines:
        line["run"] = int(line["episode"]["mode"] == "cot")


BROKEN: list[tuple[Callable[[Content], None], str]] = [
    (_other_seed, "run 1 has the seed 7: every run's is 0"),
    (_modes_of_two_runs, "toy/id was played in 2 runs under the same settings"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[c.__name__ for c, _ in BROKEN])
def test_the_rules_of_entry(
    change: Callable[[Content], None], message: str, entries: Path, tmp_path: Path
) -> None:
    content = Content.of(entries / "noisy.jsonl.xz")
    change(content)
    content.redigest()
    content.write(entries / "noisy.jsonl.xz")
    code, output = run("check", entries)
    assert (code, "against the rules of entry: " in output, message in output) == (1, True, True)
    code, output = run("board", "build", "--entries", entries, "--out", tmp_path / "site")
    assert message in html.unescape((tmp_path / "site" / "index.html").read_text())
    assert not (tmp_path / "site" / "entries").exists()


def test_no_folder(tmp_path: Path) -> None:
    code, output = run("check", tmp_path / "none")
    assert (code, "cannot be read" in output) == (2, True)


@pytest.mark.parametrize("command", [(), ("submit",), ("verify",), ("check",)])
def test_help_has_examples(command: tuple[str, ...]) -> None:
    code, output = run(*command, "--help")
    assert code == 0
    assert "cotgap" in output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from cotgap.cli import application; "
        "CliRunner().invoke(application(), ['verify', '--help']); "
        "print([m for m in ('torch', 'pandas', 'scipy', 'numpy', 'gymnasium') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_workflow_gives_nothing_away() -> None:
    """Pull requests of strangers: a token that reads, no secret, actions of a pinned version."""
    text = (ROOT / ".github" / "workflows" / "entries.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert set(workflow[True]) == {"pull_request"}  # YAML's `on` is a boolean
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    (job,) = workflow["jobs"].values()
    for step in job["steps"]:
        assert re.fullmatch(r"[\w/-]+@v[0-9]+", step.get("uses", "a@v1"))
        # What a stranger wrote must not become a part of a command.
        assert "${{" not in step.get("run", "")
