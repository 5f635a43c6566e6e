"""The action language of BFCL: what it reads, what it refuses, and that nothing is evaluated."""

from __future__ import annotations

import ast
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotgap.envs.bfcl.calls import (
    MAX_CALLS,
    MAX_INTEGER,
    MAX_LENGTH,
    BadActionError,
    Call,
    canonical,
    parse,
    render,
)
from tests.envs.bfcl import need_package, started

LITERAL = (ast.List, ast.Tuple, ast.Dict, ast.Constant, ast.UnaryOp, ast.USub, ast.Load)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("[]", "[]"),
        (" [ ] \n", "[]"),
        ("[cd(folder='a')]", "[cd(folder='a')]"),
        ('[cd( folder = "a" , )  , ]', "[cd(folder='a')]"),
        ("cd(folder='a')", "[cd(folder='a')]"),
        ("cd(folder='a'), ls()", "[cd(folder='a'), ls()]"),
        ("```[ls()]```", "[ls()]"),
        ("[f(b=1, a=2)]", "[f(a=2, b=1)]"),
        ("[g(), f()]", "[g(), f()]"),
        ("[f(x=-1, y=+2.50, z=1e3, w=.5)]", "[f(w=0.5, x=-1, y=2.5, z=1000.0)]"),
        (
            "[f(x=[1, None], y={'k': (1,)}, z=(2), w=())]",
            "[f(w=(), x=[1, None], y={'k': (1,)}, z=2)]",
        ),
        ("[f(x='it\\'s', y=\"it's\", z='''a\nb''')]", "[f(x=\"it's\", y=\"it's\", z='a\\nb')]"),
        (r"[f(x=r'\d', y='\d', z='é')]", r"[f(x='\\d', y='\\d', z='é')]"),
        ("[sort('a.txt')]", "[sort('a.txt')]"),
        ("[f(x='g(h(1))')]", "[f(x='g(h(1))')]"),
    ],
)
def test_calls_are_read(text: str, normal: str) -> None:
    assert canonical(text) == normal
    assert canonical(normal) == normal


REFUSED = [
    *("", " ", "```", "look", "[", "]", "[[]]", "[ls()", "ls())", "[ls]", "[1]", "['ls()']"),
    *("()", "{}", "[,]", "[ls(),,]", "[ls() ls()]", "f(a=1, a=2)", "f(a=1, 2)", "f(a=)"),
    *("f(a=b)", "f(a=true)", "f(a=null)", "f(a=1+1)", "f(a=2**9)", "f(a='x'*9)", "f(a='x' 'y')"),
    *("f(a=01)", "f(a=0x1)", "f(a=1_0)", "f(a=1j)", "f(a=1e999)", "f(a=--1)", "f(a=-'x')"),
    *("f(a=-True)", "f(a=...)", "f(a={1, 2})", "f(a={**b})", "f(a={[]: 1})", "f(a={(): 1})"),
    *("f(a=b'x')", "f(a=f'{1}')", "f(a=rb'x')", "f(a='x)", "f(a='''x)", "f(a='a\nb')"),
    *(r"f(a='\x1')", r"f(a='\N{NO SUCH}')", "f(a='\0')", "f(a='\ud800')", "f(a=1) # x", "f(a=1);"),
    *("class(a=1)", "f(class=1)", "f(True=1)", "None()", "a.b()", "f(a=b.c)", "f(*a)", "f(**a)"),
    *("f(a := 1)", "f(a=1 if b else 2)", "f(a=not 1)", "f(a==1)", "ｆ(a=1)", "f(a=１)", "f(é=1)"),
    f"f(a={MAX_INTEGER + 1})",
    "f(a=" + "9" * 5_000 + ")",
]


@pytest.mark.parametrize("text", REFUSED)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadActionError) as caught:
        parse(text)
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 200
    assert canonical(text) == text.strip()


def test_sizes_are_bounded() -> None:
    assert len(parse(", ".join(["f()"] * MAX_CALLS))) == MAX_CALLS
    with pytest.raises(BadActionError, match="calls at once"):
        parse(", ".join(["f()"] * (MAX_CALLS + 1)))
    with pytest.raises(BadActionError, match="characters"):
        parse(" " * (MAX_LENGTH + 1))
    assert parse(f"f(a={-MAX_INTEGER})") == (Call("f", {"a": -MAX_INTEGER}),)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(-9, 9), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.from_regex(r"[a-z]{1,3}x_?[0-9]?", fullmatch=True)
CALLS = st.lists(
    st.builds(Call, NAMES, st.dictionaries(NAMES, VALUES, max_size=3)), min_size=1, max_size=3
)


@settings(max_examples=300, deadline=None)
@given(calls=CALLS)
def test_rendered_calls_are_read_back(calls: list[Call]) -> None:
    assert list(parse(render(calls))) == calls
    assert canonical(canonical(render(calls))) == canonical(render(calls))


PIECES = [
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "=",
    "-",
    "f",
    "a",
    "'",
    '"',
    "\\",
    "\n",
    " ",
    "1",
]
PIECES += [
    "f(",
    "a=",
    "'b'",
    '"""',
    "'''",
    "r'",
    "1.",
    "e5",
    "True",
    "lambda",
    "for",
    "#",
    "\0",
    "é",
]


@settings(max_examples=600, deadline=None)
@given(text=st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60))
@example(text="f(a=1.e5)")
def test_accepts_literal_calls_only(text: str) -> None:
    try:
        calls = parse(text)
    except BadActionError:
        assert canonical(text) == text.strip()
        return
    rendered = render(calls)
    tree = ast.parse(rendered, mode="eval").body
    assert isinstance(tree, ast.List)
    for call in tree.elts:
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        values = call.args + [keyword.value for keyword in call.keywords]
        assert all(isinstance(node, LITERAL) for value in values for node in ast.walk(value))
    assert parse(rendered) == calls
    assert canonical(canonical(text)) == canonical(text)


def arsenal(canary: Path) -> Iterator[str]:
    """Texts that must do nothing: `canary` is a file that none of them may create."""
    shell = f"__import__('os').system('touch {canary}')"
    write = f"open({str(canary)!r}, 'w')"
    inner = [shell, write, f"exec({write!r})", f"eval({write!r})", "().__class__.__mro__[1]"]
    inner += [f"(lambda: {write})()", f"[{write} for _ in 'a']", f"{{{write} for _ in 'a'}}"]
    inner += [f"{{1: {write} for _ in 'a'}}", f"({write} for _ in 'a')", f"f'{{{write}}}'"]
    inner += [f"'{{0}}'.format({write})", f"(x := {write})", f"{write} if 1 else 2", f"not {write}"]
    inner += [f"[*{write}]", f"{{**{write}}}", f"{write}.name", f"{write}[0]", f"-{write}"]
    inner += ["globals()", "locals()", "vars()", "breakpoint()", "input()", "exit()", "quit()"]
    inner += ["cd.__globals__", "self._instances", "getattr(cd, 'x')", "type('X', (), {})"]
    inner += ["'a'*10**9", "10**10**10", "1<<10**9", "[0]*10**9", "9" * 10_000, "1e999", "range(9)"]
    inner += ["await x", "yield", "b'x'", "1j", "...", "print", "cd(folder=pwd())"]
    for text in inner:
        yield f"[cd(folder={text})]"
        yield f"[{text}]"
        yield text
    for text in (f"import os; {shell}", f"cd(folder='a')\n{write}", f"cd(folder='a'); {write}"):
        yield text
    for name in (
        "__init__",
        "_load_scenario",
        "__class__",
        "_navigate_to_directory",
        "kill",
        "run",
    ):
        yield f"[{name}()]"
        yield f"[cd.{name}()]"
        yield f"[cd({name}='a')]"
        yield f"[GorillaFileSystem.{name}()]"
    for deep in (10_000, 100_000):
        for opening in (
            "[",
            "(",
            "{",
            "cd(folder=[",
            "cd(",
            "-",
            "not ",
            "lambda:",
            "~",
            "'",
            '"""',
        ):
            yield opening * deep
            yield f"[cd(folder={opening * deep}"
        yield f"[cd(folder={'[' * deep}{']' * deep})]"
        yield f"[cd(folder={'(' * deep}1{')' * deep})]"
        yield f"[cd(folder={'{1:' * deep}1{'}' * deep})]"
        yield "[cd(folder='a')" + ".b" * deep + "]"
        yield "[cd" + "()" * deep + "]"
        yield "a" * deep
        yield "1" * deep
        yield "\\" * deep
        yield "[cd(folder='" + "\\" * deep
        yield "[" + "ls()," * deep + "]"
        yield "[cd(folder='a'" + "'a'" * deep + ")]"
        yield '["",' + '"","""' * deep
        yield "\0" * deep
        yield "\ud800" * deep


class _Watch:
    """Counts audit events of what hostile text would have to do; hooks cannot be removed."""

    def __init__(self) -> None:
        self.on, self.seen = False, list[str]()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("exec", "open", "import", "os.system", "subprocess.Popen"):
            self.seen.append(f"{event}: {arguments!r:.200}")


@pytest.fixture(scope="module")
def watch() -> _Watch:
    return _Watch()


def test_hostile_text_does_nothing(watch: _Watch, tmp_path: Path) -> None:
    need_package()
    env, canary = started("base", "0"), tmp_path / "canary"
    env.step("[ls()]")  # whatever is imported late is imported now
    before = env.snapshot()
    texts = list(arsenal(canary))
    assert len(texts) > 200
    tracemalloc.start()
    try:
        for text in texts:
            begun = time.perf_counter()
            watch.on = True
            observation, _, _, _, info = env.step(text)
            normal = env.canonical(text)
            reason = env.rationale(text)
            watch.on = False
            assert time.perf_counter() - begun < 2, text[:80]
            assert observation in env.observation_space
            assert len(observation) < 2_000
            assert env.canonical(normal) == normal
            assert "<" not in reason
            if info["valid"]:  # odd, but a documented function with literals: an official answer
                assert text.startswith("[cd(")
                assert "error" in observation.casefold()
            env.restore(before)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        watch.on = False
        tracemalloc.stop()
    assert watch.seen == []
    assert not canary.exists()


def test_hostile_strings_stay_strings_for_the_checker(tmp_path: Path) -> None:
    need_package()
    canary = tmp_path / "canary"
    write = f"open({str(canary)!r}, 'w')"
    strings = [write, f"') or {write} or ('", f'" + str({write}) + "', f"\\') or {write} #", "ls()"]
    strings += [f"\n{write}", f"'''\n{write}", f"{{{write}}}", "pwd (", f"\\N{{DIGIT ONE}}{write}"]
    env = started("base", "0")
    for string in strings:
        _, _, _, _, info = env.step(render([Call("echo", {"content": string})]))
        assert info["valid"]
        shown = render([Call("grep", {"file_name": string, "pattern": [string, {string: 1}]})])
        assert env.step(shown)[-1]["valid"] == (len(shown) <= MAX_LENGTH)
        if env.steps == 18:
            env.step("[]")
    terminated = False
    while not terminated:
        _, _, terminated, _, info = env.step("[]")
    assert not info["won"]
    assert not canary.exists()
