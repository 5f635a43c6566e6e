"""Finds extensions: a module in the folder of its kind, or an entry point of another distribution.

A suite, backend, mode, metric, probe, board, engine or section of the report is an object under a
fixed name (`SUITE`, `METRIC`, …). Ours are the modules of one package, each named like its object.
Another distribution declares its own as entry points in the group `cotgap.suites`,
`cotgap.metrics`, …, each named like its object. Names are listed without importing anything. A
broken extension of another distribution is left out, with a warning that names the distribution.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import re
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import Distribution, EntryPoint
from typing import Any, Generic, TypeVar

from cotgap.envs.core import UnknownNameError

T = TypeVar("T")

OURS = "cotgap"
NAME = re.compile(r"\w[\w-]*")
KINDS = ("backend", "board", "engine", "metric", "mode", "probe", "section", "suite")


class PluginWarning(UserWarning):
    """An extension of another distribution that is left out; the message says whose and why."""


@dataclass(frozen=True)
class Broken:
    """An extension of another distribution that cannot be used.

    `distribution` is that distribution, as `name version`.
    """

    kind: str
    name: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of {self.distribution} is left out: {self.reason}"


@dataclass(frozen=True)
class Declared:
    """An entry point in a group of ours, and its distribution as `name version`."""

    entry: EntryPoint
    distribution: str


def group_of(kind: str) -> str:
    """The entry point group of a kind."""
    return f"{OURS}.{kind}s"


@cache
def declared() -> tuple[Declared, ...]:
    """All entry points in groups `cotgap.…`, by distribution, then name. Read once per process."""
    by_name: dict[str, list[Declared]] = {}
    for distribution in importlib.metadata.distributions():
        entries = [e for e in _entry_points(distribution) if e.group.startswith(f"{OURS}.")]
        if not entries:
            continue
        name = re.sub("[-_.]+", "-", distribution.name).lower()
        if name != OURS and name not in by_name:  # the first on the path hides later ones
            title = f"{distribution.name} {distribution.version}"
            by_name[name] = [Declared(e, title) for e in sorted(entries, key=lambda e: e.name)]
    return tuple(one for _, entries in sorted(by_name.items()) for one in entries)


def _entry_points(distribution: Distribution) -> Collection[EntryPoint]:
    try:
        return list(distribution.entry_points)
    except Exception:  # unreadable metadata, which pip and pytest report better
        return ()


class Extensions(Generic[T]):
    """The extensions of one kind: modules of `package`, then entry points of other distributions.

    `package` is the dotted name of an imported package. Each of its modules that is not among
    `helpers` holds an object of type `of` under the name `attribute`. `order` sorts `all()`; by
    default ours come first, by name.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        attribute: str,
        of: Any,
        *,
        helpers: Collection[str] = (),
        order: Callable[[T], Any] | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"unknown kind of extension {kind!r}: one of {', '.join(KINDS)}")
        self.kind = kind
        self._package, self._attribute, self._of = package, attribute, of
        self._helpers, self._order = frozenset(helpers), order
        self._loaded: dict[str, T] = {}
        self._failed: dict[str, Broken] = {}
        self._warned: set[Broken] = set()

    def names(self) -> list[str]:
        """All names, ours first. Nothing is imported, so broken extensions may be among them."""
        return [*self._modules, *self._entries]

    def get(self, name: str, hint: str = "") -> T:
        """The extension of that name; no other is imported.

        Raises `UnknownNameError`, which says why where the name exists and is broken.
        """
        if name in self._modules or name in self._entries:
            self._warn(*(broken for broken in self._refused if broken.name == name))
            if self._load(name):
                return self._loaded[name]
            hint = str(self._failed[name])
        known = [other for other in self.names() if other not in self._failed]
        raise UnknownNameError(self.kind, name, known, hint)

    def all(self) -> dict[str, T]:
        """Every extension by name; warns of each that is broken, once."""
        usable = {name: self._loaded[name] for name in self.names() if self._load(name)}
        self._warn(*self._refused, *self._failed.values())
        if (order := self._order) is not None:
            usable = dict(sorted(usable.items(), key=lambda item: order(item[1])))
        return usable

    def broken(self) -> list[Broken]:
        """The extensions of other distributions that cannot be used; imports all to find out."""
        for name in self._entries:
            self._load(name)
        return [*self._refused, *self._failed.values()]

    def distributions(self) -> dict[str, str]:
        """Name → distribution (`name version`) of the extensions that are not ours.

        Nothing is imported, so broken extensions may be among them.
        """
        return {name: one.distribution for name, one in self._entries.items()}

    @cached_property
    def _modules(self) -> tuple[str, ...]:
        modules = pkgutil.iter_modules(sys.modules[self._package].__path__)
        return tuple(sorted({module.name for module in modules} - self._helpers))

    @cached_property
    def _entries(self) -> dict[str, Declared]:
        entries: dict[str, Declared] = {}
        for one in self._declared():
            if NAME.fullmatch(one.entry.name) and one.entry.name not in self._modules:
                entries.setdefault(one.entry.name, one)
        return dict(sorted(entries.items()))

    @cached_property
    def _refused(self) -> tuple[Broken, ...]:
        """The entry points whose name is taken or not allowed."""
        return tuple(
            Broken(self.kind, one.entry.name, one.distribution, self._refusal(one.entry.name))
            for one in self._declared()
            if self._entries.get(one.entry.name) is not one
        )

    def _refusal(self, name: str) -> str:
        if not NAME.fullmatch(name):
            return "a name is made of letters, digits, _ and -"
        first = OURS if name in self._modules else self._entries[name].distribution
        return f"{first} has one of that name"

    def _declared(self) -> Iterator[Declared]:
        return (one for one in declared() if one.entry.group == group_of(self.kind))

    def _load(self, name: str) -> bool:
        """Import an extension unless that was done before; returns whether it can be used.

        An error in a module of ours is raised.
        """
        if name in self._loaded or name in self._failed:
            return name in self._loaded
        if name in self._modules:
            place = f"{self._package}.{name}"
            extension: Any = getattr(importlib.import_module(place), self._attribute, None)
            if fault := self._fault(name, extension):
                raise TypeError(f"{place}:{self._attribute}: {fault}")
            self._loaded[name] = extension
            return True
        one = self._entries[name]
        try:
            extension = one.entry.load()
            fault = self._fault(name, extension)
        except (Exception, SystemExit) as error:  # foreign code: whatever it raises
            fault = f"{type(error).__name__}: {' '.join(str(error).split())}"
        if fault:
            self._failed[name] = Broken(self.kind, name, one.distribution, fault)
            return False
        self._loaded[name] = extension
        return True

    def _fault(self, name: str, extension: Any) -> str:
        """What is wrong with an object; an empty string where nothing is."""
        if not isinstance(extension, self._of):
            return f"{extension!r:.80} is no {self._of.__name__}"
        own = getattr(extension, "name", name)  # engines are functions, which have no `name`
        return "" if own == name else f"it calls itself {own!r}"

    def _warn(self, *broken: Broken) -> None:
        for one in broken:
            if one not in self._warned:
                self._warned.add(one)
                warnings.warn(str(one), PluginWarning, stacklevel=4)
