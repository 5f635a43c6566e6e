"""The official backends, one set per episode, and the official verdict. Nothing is evaluated here.

A backend's function may still be asked for something that never ends: a power with a billion
digits, or directories copied into each other until a listing of them fills memory. Such arguments
are refused (`BOUNDS`), and an episode whose results or file tree outgrow `MAX_RESULTS`,
`MAX_PATHS` or `MAX_LEVELS` ends as a failure. No ground truth comes near any of these.
"""

from __future__ import annotations

import copy
import decimal
import functools
import importlib
import inspect
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType, ModuleType
from typing import Any

from cotgap.envs.bfcl.calls import BadActionError, Call, parse
from cotgap.envs.bfcl.data import DOCS, Item

MAX_RESULTS = 4_000_000
"""Characters of all results of an episode."""
MAX_PATHS = 500_000
"""Characters of all paths in an episode's file tree, which a listing of it would print."""
MAX_LEVELS = 100
"""How deep an episode's directories may nest."""
# (function, argument) → the largest absolute value; the argument must then be a number.
BOUNDS: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("power", "exponent"): 1_000,
        ("logarithm", "precision"): 1_000,
        ("logarithm", "value"): 1e300,
        ("logarithm", "base"): 1e300,
        ("square_root", "precision"): 1_000,
        ("round_number", "decimal_places"): 1_000,
    }
)
GROWING = frozenset({"cp", "mkdir", "mv", "touch"})  # functions that make the file tree larger
DIGITS = 15  # mpmath's default precision

_names = itertools.count()
_checking = threading.Lock()


class OvergrownError(Exception):
    """An episode exceeds the limits on results or on the file tree."""


class _Official:
    """The package's modules and classes, imported once."""

    def __init__(self) -> None:
        root = "bfcl_eval.eval_checker.multi_turn_eval"
        self.checker = importlib.import_module(f"{root}.multi_turn_checker")
        self.executor = importlib.import_module(f"{root}.multi_turn_utils")
        self.mpmath = importlib.import_module("mpmath")
        config = importlib.import_module("bfcl_eval.constants.executable_backend_config")
        self.stateless = frozenset(config.STATELESS_CLASSES)
        self.classes: dict[str, type[Any]] = {
            name: getattr(importlib.import_module(config.CLASS_FILE_PATH_MAPPING[name]), name)
            for name in DOCS
        }
        self._shared = importlib.import_module(f"{root}.func_source_code.long_context")
        self._pristine = {
            name: copy.deepcopy(value)
            for name, value in vars(self._shared).items()
            if name.isupper() and isinstance(value, (dict, list))
        }

    def restore(self) -> None:
        """Reset the module data, which backends hand out and change, to its content on import."""
        for name, pristine in self._pristine.items():
            value = getattr(self._shared, name)
            if value != pristine:
                fresh = copy.deepcopy(pristine)
                if isinstance(value, dict):
                    value.clear()
                    value.update(fresh)
                else:
                    value[:] = fresh

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Set the calculator's precision, which is global to the process, to its default."""
        with decimal.localcontext(decimal.Context()), self.mpmath.workdps(DIGITS):
            yield


@functools.cache
def official() -> _Official:
    """The package; the suite's `availability()` says whether it is there."""
    return _Official()


class Backends:
    """The running episode's own instances of the classes that a task involves.

    A deep copy is independent of the original.
    """

    def __init__(self, item: Item) -> None:
        package = official()
        instances = {}
        with _checking:  # a verdict in another thread uses the module data
            package.restore()
            for name in item.classes:
                instance = package.classes[name]()
                if name not in package.stateless:
                    scenario = item.entry["initial_config"].get(name, {})
                    instance._load_scenario(copy.deepcopy(scenario), long_context=item.long_context)
                instances[name] = instance
            # Long-context material is module data itself, so the instances get a copy.
            self._instances = copy.deepcopy(instances) if item.long_context else instances
        self._printed = 0

    def run(self, call: Call) -> str:
        """Make a call; returns what the package prints for it, errors included.

        Raises `OvergrownError` for a result or a file tree that is too large.
        """
        method = self._method(call.name)
        with official().arithmetic():
            text = _printed(method, call)
        self._printed += len(text)
        if self._printed > MAX_RESULTS:
            raise OvergrownError("the results are too long")
        files = self._instances.get("GorillaFileSystem")
        if call.name in GROWING and files is not None and _overgrown(files):
            raise OvergrownError("the file tree is too large")
        return text

    def _method(self, name: str) -> Callable[..., Any]:
        for instance in self._instances.values():
            if hasattr(type(instance), name):
                return getattr(instance, name)  # type: ignore[no-any-return]
        raise KeyError(name)


def _printed(method: Callable[..., Any], call: Call) -> str:
    """The result as `execute_multi_turn_func_call` of the package prints it."""
    try:
        # A backend may keep and change an argument, and the call is recorded after this.
        result = method(*copy.deepcopy(call.positional), **copy.deepcopy(call.named))
        if isinstance(result, str):
            return result
        if isinstance(result, dict):
            try:
                return json.dumps(result)
            except (TypeError, ValueError):
                return str(result)
        return str(result)
    except Exception as error:  # whatever a backend raises is its answer
        return f"Error during execution: {error}"


def check(call: Call, documented: frozenset[str]) -> None:
    """Raise `BadActionError` unless the call is of a documented function, named and bounded."""
    if call.name not in documented:
        raise BadActionError(f"there is no function {call.name[:60]!r}")
    if call.positional:
        raise BadActionError(f"name every argument of {call.name}, as in f(a=1)")
    for name, value in call.named.items():
        bound = BOUNDS.get((call.name, name))
        if bound is not None and not (isinstance(value, (int, float)) and abs(value) <= bound):
            raise BadActionError(f"{name} of {call.name} must be a number up to {bound:,g}")


def _overgrown(files: Any) -> bool:
    """Whether a walk over the file tree would be too long; directories may be in it many times."""
    top = files._current_dir
    while top.parent is not None:
        top = top.parent
    total = 0
    pending = [(start, 0, 0) for start in ({id(d): d for d in (files.root, top)}).values()]
    while pending:
        directory, level, length = pending.pop()
        if level > MAX_LEVELS:
            return True
        for name, entry in directory.contents.items():
            path = length + len(name) + 1
            total += path
            if total > MAX_PATHS:
                return True
            if hasattr(entry, "contents"):
                pending.append((entry, level + 1, path))
    return False


def truth_calls(item: Item, turn: int) -> list[Call]:
    """The calls of a turn of the ground truth, every argument named."""
    return [_named(text) for text in item.truth[turn]]


@functools.lru_cache(maxsize=10_000)  # asked for whenever a turn begins
def _named(text: str) -> Call:
    (call,) = parse(text)
    if not call.positional:
        return call
    (function,) = (
        getattr(kind, call.name) for kind in official().classes.values() if hasattr(kind, call.name)
    )
    bound = inspect.signature(function).bind(None, *call.positional, **call.named)
    return Call(call.name, dict(itertools.islice(bound.arguments.items(), 1, None)))


Turns = Sequence[Sequence[Sequence[str]]]
"""Calls by turn, step and order within the step, each as `str(Call)` or the package writes it."""


def verdict(item: Item, turns: Turns) -> bool:
    """What the package's `multi_turn_checker` says of the calls of all turns.

    The package evaluates the strings: they must come from `str(Call)` or from the package.
    """
    package = official()
    name = f"cotgap{next(_names)}"
    decoded = [[list(step) for step in turn] for turn in turns]
    truth = [list(turn) for turn in item.truth]
    category = str(item.entry["id"]).rpartition("_")[0]
    with _checking, package.arithmetic():
        package.restore()
        try:
            result = package.checker.multi_turn_checker(
                decoded, truth, dict(item.entry), category, name
            )
            return bool(result["valid"])
        except RecursionError:  # file trees that contain themselves cannot be compared
            return False
        finally:
            _forget(package.executor, f"{name}_")
            package.restore()


def _forget(module: ModuleType, prefix: str) -> None:
    """Drop the instances that the package keeps in its module's globals."""
    for name in [name for name in vars(module) if name.startswith(prefix)]:
        delattr(module, name)
