"""Compiles a game's goal into a condition that is fast to check after every step.

A goal may hold `and`, `or`, `not`, `exists`, `forall`, `=` and the domain's predicates. Quantifiers
become a backtracking search. Predicates that no action changes narrow a variable's candidates once,
at load; the others are checked as soon as their variables are bound.

Symbols are integers, as in `cotgap.envs.household.game`: objects first, then receptacles,
locations, the agent, and last everything that only the goal needs (types, symbols without any
fact).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeAlias

from cotgap.envs.household.errors import BadGame
from cotgap.envs.household.pddl import ARITY, Facts, Tree, typed_list

FLUENTS: Final = frozenset(
    {
        "atlocation",
        "checked",
        "holds",
        "holdsany",
        "inreceptacle",
        "isclean",
        "iscool",
        "ishot",
        "ison",
        "issliced",
        "istoggled",
        "objectatlocation",
        "opened",
    }
)
"""The predicates that some action changes. All others stay as in the initial state."""

_MAX_DEPTH: Final = 60


Fact: TypeAlias = Callable[..., bool]
"""`fact(predicate, *symbols)`: whether a predicate of `FLUENTS` holds of these symbols."""


class Node(Protocol):
    """A compiled condition. `env` holds the symbol of each slot (variable or constant)."""

    @property
    def free(self) -> frozenset[int]:
        """The variable slots that must be bound in `env`."""

    def holds(self, fact: Fact, env: list[int]) -> bool:
        """Whether the condition is true."""


@dataclass(frozen=True, slots=True)
class Fluent:
    """A predicate of `FLUENTS`."""

    predicate: str
    slots: tuple[int, ...]
    free: frozenset[int]

    def holds(self, fact: Fact, env: list[int]) -> bool:
        """Whether the predicate holds now."""
        return fact(self.predicate, *[env[slot] for slot in self.slots])


@dataclass(frozen=True, slots=True)
class Static:
    """A predicate that never changes: membership in the table of its initial facts."""

    table: frozenset[tuple[int, ...]]
    slots: tuple[int, ...]
    free: frozenset[int]

    def holds(self, fact: Fact, env: list[int]) -> bool:
        """Whether the symbols are in the table."""
        return tuple([env[slot] for slot in self.slots]) in self.table


@dataclass(frozen=True, slots=True)
class Same:
    """`=`."""

    left: int
    right: int
    free: frozenset[int]

    def holds(self, fact: Fact, env: list[int]) -> bool:
        """Whether both sides are the same symbol."""
        return env[self.left] == env[self.right]


@dataclass(frozen=True, slots=True)
class Negation:
    """`not`."""

    part: Node
    free: frozenset[int]

    def holds(self, fact: Fact, env: list[int]) -> bool:
        """Whether the part is false."""
        return not self.part.holds(fact, env)


@dataclass(frozen=True, slots=True)
class Junction:
    """`and` (`every` is True) or `or`."""

    every: bool
    nodes: tuple[Node, ...]
    free: frozenset[int]

    def holds(self, fact: Fact, env: list[int]) -> bool:
        """Whether all nodes (or any) are true."""
        for node in self.nodes:
            if node.holds(fact, env) is not self.every:
                return not self.every
        return self.every


Link: TypeAlias = tuple[int, Mapping[int, tuple[int, ...]]]
"""A slot that is bound earlier, and the candidates for each of its symbols."""


class Level(NamedTuple):
    """A variable's slot, its candidates, and the conditions that can be checked once it is bound.

    Where an unchanging fact links the variable to another one, `link` gives the candidates faster.
    """

    slot: int
    candidates: tuple[int, ...]
    conditions: tuple[Node, ...]
    link: Link | None


@dataclass(frozen=True, slots=True)
class Search:
    """`exists`: its variables, in the order in which they are bound."""

    levels: tuple[Level, ...]
    free: frozenset[int]

    def holds(self, fact: Fact, env: list[int]) -> bool:
        """Whether there are candidates that make all conditions true."""
        return self.bind(fact, env, _stop)

    def bind(self, fact: Fact, env: list[int], each: Callable[[], bool], depth: int = 0) -> bool:
        """Call `each` for every binding of the variables that makes all conditions true.

        The binding is in `env`. Stops as soon as `each` returns True; returns whether it did.
        """
        if depth == len(self.levels):
            return each()
        slot, candidates, conditions, link = self.levels[depth]
        if link is not None:
            candidates = link[1].get(env[link[0]], ())
        for env[slot] in candidates:
            for condition in conditions:
                if not condition.holds(fact, env):
                    break
            else:
                if self.bind(fact, env, each, depth + 1):
                    return True
        return False


def _stop() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Goal:
    """A compiled goal. `tree` is the goal as written."""

    tree: Tree
    root: Node
    env: tuple[int, ...]

    def holds(self, fact: Fact) -> bool:
        """Whether the goal holds now; a later action can make it false again."""
        return self.root.holds(fact, list(self.env))


@dataclass
class Scope:
    """The symbols and unchanging facts that a goal may name."""

    symbols: list[str]
    """Integer → symbol. Grows when the goal needs a declared symbol without any fact."""
    types: dict[str, str]
    facts: Facts
    _codes: dict[str, int] = field(init=False)
    _tables: dict[str, frozenset[tuple[int, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._codes = {symbol: code for code, symbol in enumerate(self.symbols)}

    def code(self, symbol: str) -> int:
        """A declared symbol's integer; raises `BadGame` for one that is not declared."""
        if symbol not in self.types:
            raise BadGame(f"the goal names {symbol!r}, which the problem does not declare")
        if symbol not in self._codes:
            self._codes[symbol] = len(self.symbols)
            self.symbols.append(symbol)
        return self._codes[symbol]

    def is_a(self, code: int, type_name: str) -> bool:
        """Whether a symbol has a type; every symbol has the type "object"."""
        return type_name in ("object", self.types[self.symbols[code]])

    def table(self, predicate: str) -> frozenset[tuple[int, ...]]:
        """The facts of a predicate that never changes."""
        if predicate not in self._tables:
            rows = self.facts.get(predicate, [])
            self._tables[predicate] = frozenset(tuple(self._codes[s] for s in row) for row in rows)
        return self._tables[predicate]

    def members(self, type_name: str) -> list[int]:
        """All declared symbols of a type."""
        if type_name == "object":
            return [self.code(symbol) for symbol in self.types]
        return [self.code(symbol) for symbol, own in self.types.items() if own == type_name]


def compile_goal(tree: Tree, scope: Scope) -> Goal:
    """Compile a goal; raises `BadGame` for anything outside the understood forms."""
    compiler = _Compiler(scope)
    root = compiler.node(tree, {}, 0)
    return Goal(tree, root, tuple(compiler.env))


class _Compiler:
    """Turns trees into nodes; `env` collects one slot per variable and constant."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.env: list[int] = []
        self.constants: dict[int, int] = {}

    def node(self, tree: Tree, bound: dict[str, int], depth: int) -> Node:
        _check_depth(depth)
        if isinstance(tree, str):
            raise BadGame(f"the goal holds {tree!r} where a condition should be")
        head = tree[0] if tree else "and"
        if not isinstance(head, str):
            raise BadGame("the goal holds a list of conditions without 'and' or 'or'")
        if head in ("and", "or"):
            nodes = tuple(self.node(part, bound, depth + 1) for part in tree[1:])
            return nodes[0] if len(nodes) == 1 else Junction(head == "and", nodes, _free(nodes))
        if head == "not":
            return self._negation(self.node(_only(tree, 2)[1], bound, depth + 1))
        if head == "exists":
            return self._search(tree, bound, depth)
        if head == "forall":
            _, variables, body = _only(tree, 3)
            return self._negation(self._search(["exists", variables, ["not", body]], bound, depth))
        return self._atom(head, tree[1:], bound)

    @staticmethod
    def _negation(part: Node) -> Node:
        return Negation(part, part.free)

    def _atom(self, predicate: str, args: Sequence[Tree], bound: dict[str, int]) -> Node:
        if predicate != "=" and predicate not in ARITY:
            raise BadGame(
                f"the goal uses {predicate!r}, which is neither one of and, or, not, exists, "
                "forall, = nor a predicate of the domain"
            )
        if len(args) != ARITY.get(predicate, 2):
            raise BadGame(f"the goal gives {predicate!r} {len(args)} arguments")
        slots = tuple(self._slot(arg, bound) for arg in args)
        variables = bound.values()
        free = frozenset(slot for slot in slots if slot in variables)
        if predicate == "=":
            return Same(slots[0], slots[1], free)
        if predicate in FLUENTS:
            return Fluent(predicate, slots, free)
        return Static(self.scope.table(predicate), slots, free)

    def _slot(self, arg: Tree, bound: dict[str, int]) -> int:
        if not isinstance(arg, str):
            raise BadGame("the goal holds a list where a name should be")
        if arg.startswith("?"):
            if arg not in bound:
                raise BadGame(f"the goal uses the variable {arg!r} outside of its quantifier")
            return bound[arg]
        code = self.scope.code(arg)
        if code not in self.constants:
            self.constants[code] = self._new_slot(code)
        return self.constants[code]

    def _new_slot(self, code: int) -> int:
        self.env.append(code)
        return len(self.env) - 1

    def _search(self, tree: Tree, bound: dict[str, int], depth: int) -> Node:
        types: dict[int, str] = {}
        nodes: list[Node] = []
        self._gather(tree, bound, depth, types, nodes)
        if not types:
            return Junction(True, tuple(nodes), _free(nodes))
        candidates, rest = self._narrow(types, nodes)
        order = sorted(types, key=lambda slot: len(candidates[slot]))
        levels = []
        known = _free(nodes) - types.keys()
        for slot in order:
            known |= {slot}
            ready = tuple(node for node in rest if node.free <= known)
            rest = [node for node in rest if not node.free <= known]
            link = _link(slot, candidates[slot], ready)
            levels.append(Level(slot, tuple(candidates[slot]), ready, link))
        return Search(tuple(levels), _free(nodes) - types.keys())

    def _gather(
        self,
        tree: Tree,
        bound: dict[str, int],
        depth: int,
        types: dict[int, str],
        nodes: list[Node],
    ) -> None:
        """Collect the variables and conditions of nested `exists` and `and` in one block."""
        _check_depth(depth)
        if isinstance(tree, list) and tree[:1] == ["exists"]:
            _, variables, body = _only(tree, 3)
            if not isinstance(variables, list) or not all(isinstance(v, str) for v in variables):
                raise BadGame("the goal holds a quantifier without a list of variables")
            inner = dict(bound)
            for name, type_name in typed_list([str(v) for v in variables]).items():
                inner[name] = self._new_slot(-1)
                types[inner[name]] = type_name
            self._gather(body, inner, depth + 1, types, nodes)
        elif isinstance(tree, list) and tree[:1] == ["and"]:
            for part in tree[1:]:
                self._gather(part, bound, depth + 1, types, nodes)
        else:
            nodes.append(self.node(tree, bound, depth + 1))

    def _narrow(
        self, types: dict[int, str], nodes: list[Node]
    ) -> tuple[dict[int, list[int]], list[Node]]:
        """Each variable's candidates, and the conditions that are still to be checked."""
        narrowed: dict[int, set[int]] = {}
        rest: list[Node] = []
        for node in nodes:
            if isinstance(node, Static) and len(node.free) == 1 and node.free <= types.keys():
                (slot,) = node.free
                matches = self._matches(node, slot)
                narrowed[slot] = narrowed[slot] & matches if slot in narrowed else matches
            else:
                rest.append(node)
        return {
            slot: [c for c in sorted(narrowed[slot]) if self.scope.is_a(c, type_name)]
            if slot in narrowed
            else self.scope.members(type_name)
            for slot, type_name in types.items()
        }, rest

    def _matches(self, node: Static, slot: int) -> set[int]:
        """The symbols that make `node` true in place of its one variable."""
        if len(node.slots) == 1:
            return {row[0] for row in node.table}
        first, second = node.slots
        if first == second:
            return {left for left, right in node.table if left == right}
        if first == slot:
            return {left for left, right in node.table if right == self.env[second]}
        return {right for left, right in node.table if left == self.env[first]}


def _link(slot: int, candidates: list[int], conditions: Sequence[Node]) -> Link | None:
    """The candidates by the symbol of another variable, from the first table with both."""
    for node in conditions:
        if isinstance(node, Static) and len(node.free) == 2 and slot in node.free:
            (other,) = node.free - {slot}
            places = node.slots.index(slot), node.slots.index(other)
            by_symbol: dict[int, list[int]] = {}
            for row in sorted(node.table):
                if row[places[0]] in candidates:
                    by_symbol.setdefault(row[places[1]], []).append(row[places[0]])
            return other, {symbol: tuple(own) for symbol, own in by_symbol.items()}
    return None


def _check_depth(depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise BadGame(f"the goal is nested deeper than {_MAX_DEPTH} levels")


def _free(nodes: Sequence[Node]) -> frozenset[int]:
    return frozenset().union(*(node.free for node in nodes))


def _only(tree: list[Tree], length: int) -> list[Tree]:
    if len(tree) != length:
        raise BadGame(f"the goal holds {tree[0]!r} with {len(tree) - 1} parts, not {length - 1}")
    return tree
