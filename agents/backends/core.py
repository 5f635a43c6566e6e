"""What a kind of backend is: how agents on it are named, its options, and how one is opened.

Light to import, and so is every sibling: what answers requests is imported when an agent is opened.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.models import OptionInfo

from cotgap.agents.agent import Agent
from cotgap.agents.options import LoadingOptions
from cotgap.agents.protocol import PromptProtocol


@dataclass(frozen=True)
class NoOptions:
    """For kinds without options of their own."""


VALUES = (bool, float, int, str, Path)
"""What the value of an option may be, besides None."""

Open = Callable[[str, Any, PromptProtocol | None, int | None], Agent]
"""(spec, options, protocol or None for the agent's own, requests at a time or None) → an agent.

`options` is an instance of the kind's options class. Raises `CoTGapError` for a spec that names
nothing, and for an agent that cannot be opened here.
"""


@dataclass(frozen=True)
class BackendKind:
    """A kind of backend: one file of this folder each, with a `BACKEND` object.

    It opens the specs in `names`, those that begin with one of `schemes` and a colon, and those for
    which `claims` is true; all names are looked at before any scheme, and all schemes before any
    claim. `forms` says in words how its specs look that are not in `names`.

    `options` is a dataclass. A field is `name: Annotated[T | None, typer.Option(help="…")] = None`,
    and becomes the option `--name` of every command that takes an agent; None leaves the choice to
    the backend. A field is one of `LoadingOptions`, with its type there, or its name begins with
    the backend's and an underscore, so that no two options are in each other's way. `path` gives
    the checkpoint that a spec names, for kinds that play checkpoints.
    """

    name: str
    open: Open
    names: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    claims: Callable[[str], bool] = lambda spec: False
    forms: tuple[str, ...] = ()
    options: type[Any] = NoOptions
    path: Callable[[str], Path | None] = lambda spec: None

    def __post_init__(self) -> None:
        if not dataclasses.is_dataclass(self.options):
            raise TypeError(f"options of backend {self.name!r}: {self.options!r} is no dataclass")
        types, shared = get_type_hints(self.options), get_type_hints(LoadingOptions)
        declared = self.option_types()
        for field in dataclasses.fields(self.options):
            name, option = field.name, f"option {field.name!r} of backend {self.name!r}"
            if {*get_args(types[name])} not in [{kind, type(None)} for kind in VALUES]:
                raise TypeError(
                    f"{option} is {types[name]}, not str | None, int | None or the like"
                )
            if not any(isinstance(part, OptionInfo) for part in get_args(declared[name])[1:2]):
                raise TypeError(f"{option} must be Annotated with a typer.Option")
            if field.default is not None:
                raise TypeError(f"{option} must default to None")
            if name not in shared and not name.startswith(f"{self.name}_"):
                raise TypeError(f"{option} must be named '{self.name}_…'")
            if types[name] != shared.get(name, types[name]):
                raise TypeError(f"{option} must be {shared[name]}, as elsewhere")

    def option_types(self) -> dict[str, Any]:
        """Option → its type, `Annotated` as it was declared."""
        return get_type_hints(self.options, include_extras=True)
