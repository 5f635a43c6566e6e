"""Makes many games at once, in processes of their own (`serve`), with a progress bar."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from cotgap.envs.core import TaskUnavailableError
from cotgap.envs.textworld.panels import Listed, listed
from cotgap.envs.textworld.store import games_folder, is_stored, obtain


def make_missing(games: Sequence[Listed], *, workers: int | None = None) -> None:
    """Make those games that are not in the cache, on all cores unless `workers` says otherwise.

    Raises `TaskUnavailableError` naming those that cannot be made.
    """
    missing = [game for game in games if not is_stored(game)]
    if not missing:
        return
    with _progress(len(missing)) as advance:
        count = min(workers or os.cpu_count() or 1, len(missing))
        failed = _alone(missing, advance) if count == 1 else _together(missing, count, advance)
    if failed:
        others = f" {len(failed)} of {len(games)} games have such a problem." if failed[1:] else ""
        raise TaskUnavailableError(failed[0] + "." * bool(others) + others)


def _alone(games: Sequence[Listed], advance: Callable[[], None]) -> list[str]:
    """Make games in this process; returns why some cannot be made."""
    failed = []
    for game in games:
        try:
            obtain(game)
        except TaskUnavailableError as error:
            failed.append(str(error))
        advance()
    return failed


def _together(games: Sequence[Listed], workers: int, advance: Callable[[], None]) -> list[str]:
    """Make games in `workers` processes; returns why some cannot be made."""
    waiting: queue.SimpleQueue[Listed] = queue.SimpleQueue()
    for game in games:
        waiting.put(game)
    processes = [_open_worker() for _ in range(workers)]
    try:
        with ThreadPoolExecutor(workers) as pool:
            answers = pool.map(lambda process: _feed(process, waiting, advance), processes)
            return [reason for reasons in answers for reason in reasons]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _open_worker() -> subprocess.Popen[str]:
    """Start a fresh interpreter, which has none of this process's threads and modules."""
    code = f"import sys; sys.path[:] = {sys.path!a}; from {__name__} import serve; serve()"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _feed(
    process: subprocess.Popen[str],
    waiting: queue.SimpleQueue[Listed],
    advance: Callable[[], None],
) -> list[str]:
    """Have one process make games until none wait."""
    assert process.stdin
    assert process.stdout
    failed: list[str] = []
    while True:
        try:
            game = waiting.get_nowait()
        except queue.Empty:
            return failed
        try:
            print(game.split, game.task.id, sep="\t", file=process.stdin, flush=True)
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            name = f"textworld/{game.split}/{game.task.id}"
            failed.append(
                f"the process that was making {name} died. To see why: "
                "cotgap games generate --workers 1"
            )
            return failed
        if reason := answer.strip():
            failed.append(reason)
        advance()


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr; where that is not a terminal, one line."""
    # Imported here because `import cotgap.envs` imports this module and need not wait for rich.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    what = f"making {total} TextWorld games, once"
    if not console.is_terminal:
        console.print(f"{what}; they are kept in {games_folder()}", highlight=False, soft_wrap=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def serve() -> None:
    """Make the games that stdin names, one line `split<TAB>task` each; a worker process runs this.

    The answer to each is one line: empty, or the reason why the game cannot be played.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # TextWorld prints, too
    for line in sys.stdin:
        split, _, task_id = line.strip().partition("\t")
        failed = _alone([listed()[split, task_id]], lambda: None)
        print(*(" ".join(reason.split()) for reason in failed), file=answers, flush=True)
