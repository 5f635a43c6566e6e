"""The command `cotgap`: one Typer application, made of one options class per command.

A command is an entry of `COMMANDS`: its name, its options class and the module whose
`execute(options)` does the work and returns the exit code (None is 0). The class is the command
line: its fields are the options, a field that holds another options class brings that class's
options, the docstring is the help. The module is imported when its command runs, so that `--help`
imports nothing heavy.
"""

from __future__ import annotations

import copy
import errno
import importlib
import inspect
import os
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from cotgap import __version__
from cotgap.agents import options as agents
from cotgap.benchmark import options as benchmark
from cotgap.leaderboards import options as leaderboards
from cotgap.terminal import held_back, open_streams, stopping

T = TypeVar("T")
EXIT_USAGE, EXIT_BUG = 2, 70  # 70 is EX_SOFTWARE of sysexits.h
STORAGE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ESTALE),
)
"""Failures of a disk, and of what one may do there, which no code of ours can mend."""


@dataclass(frozen=True)
class Command:
    """One command of the application; `name` may begin with a group's ("board serve")."""

    name: str
    options: type
    module: str


COMMANDS = (
    Command("run", benchmark.RunOptions, "cotgap.benchmark.commands.run"),
    Command("panels", benchmark.PanelsOptions, "cotgap.benchmark.commands.panels"),
    Command("play", benchmark.PlayOptions, "cotgap.benchmark.commands.play"),
    Command("doctor", benchmark.DoctorOptions, "cotgap.benchmark.commands.doctor"),
    Command("compare", benchmark.CompareOptions, "cotgap.benchmark.commands.compare"),
    Command("power", benchmark.PowerOptions, "cotgap.benchmark.commands.power"),
    Command("report", benchmark.ReportOptions, "cotgap.benchmark.commands.report"),
    Command("probe", benchmark.ProbeOptions, "cotgap.benchmark.commands.probe"),
    Command("sweep", benchmark.SweepOptions, "cotgap.benchmark.commands.sweep"),
    Command("audit", benchmark.AuditOptions, "cotgap.benchmark.commands.audit"),
    Command("scale", benchmark.ScaleOptions, "cotgap.benchmark.commands.scale"),
    Command("data", agents.DataOptions, "cotgap.agents.commands.data"),
    Command("train", agents.TrainOptions, "cotgap.agents.commands.train"),
    Command("submit", leaderboards.SubmitOptions, "cotgap.leaderboards.commands.submit"),
    Command("verify", leaderboards.VerifyOptions, "cotgap.leaderboards.commands.verify"),
    Command("check", leaderboards.CheckOptions, "cotgap.leaderboards.commands.check"),
    Command("games prepare", benchmark.PrepareOptions, "cotgap.benchmark.commands.prepare"),
    Command("games generate", benchmark.GenerateOptions, "cotgap.benchmark.commands.generate"),
    Command("games export", benchmark.ExportOptions, "cotgap.benchmark.commands.export"),
    Command("board build", leaderboards.BuildOptions, "cotgap.leaderboards.commands.build"),
    Command("board serve", leaderboards.ServeOptions, "cotgap.leaderboards.commands.serve"),
)
GROUPS = {
    "games": "Games that have to be fetched, made or written.",
    "board": "The leaderboards as pages.",
}


def application(unfold: str = "") -> typer.Typer:
    """All commands; those of the group `unfold` also under their own names."""
    app = typer.Typer(
        name="cotgap",
        help="CoTGap: where do the gains of chain-of-thought agent training land?",
        epilog="Start with: cotgap run --agent ckpt --mode both",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    groups = {}
    for name, text in GROUPS.items():
        groups[name] = typer.Typer(name=name, help=text, no_args_is_help=True)
        app.add_typer(groups[name])
    for command in COMMANDS:
        group, _, name = command.name.rpartition(" ")
        _add(groups.get(group, app), name, command)
        if group and group == unfold:
            _add(app, name, command)
    return app


def main(unfold: str = "") -> None:
    """Run the command line and exit.

    A problem that its user can solve is one line and exit code 2. An error of ours is one line,
    too, which names the file that holds the traceback, and exit code 70. SIGTERM and SIGHUP stop a
    command as Ctrl-C does; the exit code is then 128 and the signal's number.
    """
    warnings.showwarning = _show_warning
    open_streams()
    try:
        # An agent's module may lie here; `python -m cotgap` finds it without this.
        if (here := os.getcwd()) not in sys.path:
            sys.path.insert(0, here)
        try:
            application(unfold)()
        finally:
            sys.stdout.flush()
    except Exception as error:
        from cotgap.envs.core import (
            CoTGapError,
        )  # imports gymnasium, which --help need not wait for

        if isinstance(error, CoTGapError):
            print(f"error: {error}", file=sys.stderr)
            sys.exit(EXIT_USAGE)
        if isinstance(error, OSError) and error.errno in STORAGE:
            print(
                f"error: {error}. What was finished before is safe: make room, or allow it, and "
                "run the same command again",
                file=sys.stderr,
            )
            sys.exit(EXIT_USAGE)
        kind, place = type(error).__name__, _written(error)
        print(f"error: {kind}: {error}. This is a bug; {place}", file=sys.stderr)
        sys.exit(EXIT_BUG)


def make(options: type[T], **values: Any) -> T:
    """An options object from single options by name, with defaults for the others.

    `make(RunOptions, agent="noisy", episodes=4)` is what `cotgap run --agent noisy --episodes 4`
    makes. Raises `TypeError` for an option that the command does not have or that is missing.
    """
    inspect.Signature(list(_parameters(options, {}))).bind(**values)
    known = {p.name: p.default for p in _parameters(options, {})}
    built: T = _build(options, {**known, **values})
    return built


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"cotgap {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass


def _add(app: typer.Typer, name: str, command: Command) -> None:
    app.command(name, help=inspect.getdoc(command.options), epilog=_epilog(command.options))(
        _function(command)
    )


def _function(command: Command) -> Callable[..., None]:
    """What Typer calls; its signature is made from the options class."""

    def call(**values: Any) -> None:
        options = _build(command.options, values)
        with stopping() as stop:
            try:
                with held_back():
                    module = importlib.import_module(command.module)
                code = module.execute(options) or 0
            except KeyboardInterrupt:
                print("stopped. Run the same command again to go on.", file=sys.stderr)
                code = 128 + signal.SIGINT
        raise typer.Exit(stop.code(code))

    parameters = list(_parameters(command.options, {}))
    if twice := {p.name for p in parameters if sum(q.name == p.name for q in parameters) > 1}:
        raise TypeError(f"{command.options.__name__} has options twice: {', '.join(twice)}")
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _parameters(options: type, given: Mapping[str, Any]) -> Iterator[inspect.Parameter]:
    """The options of a class and of those it holds; `given` are defaults that differ from its."""
    hints = _hints(options)
    for one in fields(options):
        default = given.get(one.name, _default(one))
        if is_dataclass(hints[one.name]):
            inner = {part.name: getattr(default, part.name) for part in fields(default)}
            yield from _parameters(hints[one.name], inner)
            continue
        kind, declared = get_args(hints[one.name])
        if panel := getattr(options, "PANEL", None):
            declared = copy.copy(declared)
            declared.rich_help_panel = panel
        yield inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if default is MISSING else default,
            annotation=Annotated[kind, declared],
        )


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def _build(options: type, values: Mapping[str, Any]) -> Any:
    """The options object that the values of a command line make."""
    hints = _hints(options)
    return options(
        **{
            one.name: _build(hints[one.name], values)
            if is_dataclass(hints[one.name])
            else values[one.name]
            for one in fields(options)
        }
    )


def _hints(options: type) -> dict[str, Any]:
    """Field → its type as declared, with the options that other distributions' backends add."""
    hints = get_type_hints(options, include_extras=True)
    return {
        name: agents.loading_options() if hint is agents.LoadingOptions else hint
        for name, hint in hints.items()
    }


def _epilog(options: type) -> str:
    """Examples, one a line, and a note on exit codes."""
    parts = [f"    {example}" for example in getattr(options, "EXAMPLES", ())]
    note = getattr(options, "NOTE", "")
    return "\n\n".join([*(["Examples:"] if parts else []), *parts, *([note] if note else [])])


def _show_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    """A warning is one line: where in our code it was given helps nobody at a terminal."""
    print(f"warning: {message}", file=sys.stderr)


def _written(error: Exception) -> str:
    """Where the traceback is now, in words."""
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="cotgap-error-",
            suffix=".txt",
            encoding="utf-8",
            errors="backslashreplace",  # a path need not be UTF-8
            delete=False,
        ) as file:
            file.write(" ".join(sys.argv) + "\n")
            traceback.print_exception(error, file=file)
    except OSError:
        traceback.print_exception(error)
        return "its traceback is above"
    return f"its traceback is in {file.name}"
