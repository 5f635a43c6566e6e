"""Chat templates run within limits, and otherwise as transformers runs them."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import perf_counter
from typing import Any

import jinja2
import pytest

from cotgap.agents import templating
from cotgap.agents.rendering import Renderer
from cotgap.agents.templating import RefusedError, TemplateError, render
from cotgap.envs.core import CoTGapError

from . import templates
from .vocabularies import SPOKEN

MESSAGES = [
    {"role": "system", "content": "Rules."},
    {"role": "user", "content": " A <b> & 'c' "},
    {"role": "assistant", "content": "<think>hm</think>\n<action>look</action>"},
    {"role": "user", "content": "B"},
]
FEATURES = (
    "{%- generation -%}x{%- endgeneration -%}{% for m in messages %}{% if loop.index > 2 %}"
    "{% break %}{% endif %}{{ m | tojson }}{{ m.content.strip().split(' ')[-1] }}{% endfor %}"
    "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}{{ ns.a }}{{ dict(b=3) | tojson(indent=1) }}"
    "{{ bos_token }}{{ eos_token }}{{ tools is none }}{{ date_string }}"
    "{{ strftime_now('%Y') | length }}\n    {% if add_generation_prompt %}\nGo{% endif %}\n"
)


@pytest.mark.parametrize("template", [*templates.ALL.values(), *SPOKEN.values(), FEATURES])
def test_texts_are_those_of_transformers(
    render_with: Callable[..., Renderer], template: str
) -> None:
    tokenizer = render_with(templates.PLAIN).tokenizer
    variables = {
        **tokenizer.special_tokens_map,
        "messages": MESSAGES,
        "tools": None,
        "documents": None,
        "add_generation_prompt": True,
        "date_string": "today",
    }
    (ours,) = render(template, [variables])

    def theirs() -> Any:
        return tokenizer.apply_chat_template(
            MESSAGES,
            chat_template=template,
            tokenize=False,
            add_generation_prompt=True,
            date_string="today",
        )

    if isinstance(ours, RefusedError):
        with pytest.raises(jinja2.TemplateError, match=re.escape(str(ours))):
            theirs()
    else:
        assert ours == theirs()


HARMFUL = {
    "{{ 1/0 }}": "ZeroDivisionError",
    "{{ messages[9].content }}": "no element 9",
    "{{ messages + 1 }}": "TypeError",
    "{% for m in messages %}": "line 1: Unexpected end of template",
    "{{ nothing_like_it('x') }}": "'nothing_like_it' is undefined",
    "{{ ''.__class__.__mro__ }}": "unsafe",
    "{% for i in range(10**9) %}{% endfor %}": "OverflowError",
    "{{ 'a' * 20000000000 }}": "more than 1024 MiB",
    "{{ ['a'] * 10**10 }}": "more than 1024 MiB",
    "{{ 10**(10**10) }}": "of computing|more than 1024 MiB",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}": (
        "more than 5 s of computing"
    ),
    "{% for i in range(99999) %}{{ messages[0].content * 99 }}{% endfor %}": (
        "more than 1048576 characters"
    ),
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "RecursionError",
}


@pytest.mark.parametrize("template", HARMFUL)
def test_templates_are_stopped(render_with: Callable[..., Renderer], template: str) -> None:
    begun = perf_counter()
    with pytest.raises(
        CoTGapError, match=f"the chat template (fails|does not).*{HARMFUL[template]}"
    ):
        render_with(template)
    assert perf_counter() - begun < templating.PATIENCE


def test_a_template_that_waits_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templating, "PATIENCE", 0.01)
    with pytest.raises(TemplateError, match=r"more than 0.01 s"):
        render("{{ 'a template of its own' }}", [{}])


def test_random_choices_are_the_same_every_time() -> None:
    template = "{{ range(10**4) | random }} {{ lipsum(1) }}"
    first, second = (render(template + " " * n, [{}])[0] for n in (0, 1))
    assert isinstance(first, str)
    assert isinstance(second, str)
    assert first.strip() == second.strip()


def test_a_template_that_forgets_old_turns_is_said_to(render_with: Callable[..., Renderer]) -> None:
    forgetful = templates.PLAIN.replace("in messages", "in messages[-9:]")
    assert render_with(forgetful).rewritten
    assert not render_with(templates.PLAIN).rewritten


def test_rendering_is_quick(render_with: Callable[..., Renderer]) -> None:
    """One process for all conversations of a template, and none for one that is known."""
    render_with(templates.PLAIN)
    begun = perf_counter()
    render_with(templates.PLAIN)
    assert perf_counter() - begun < 0.5


def test_several_templates_without_a_default(tiny: Any) -> None:
    import copy

    tokenizer = copy.deepcopy(tiny.renderer.tokenizer)
    tokenizer.chat_template = {"rag": templates.PLAIN, "tools": templates.PLAIN}
    with pytest.raises(CoTGapError, match="no chat template can be chosen"):
        Renderer(tokenizer, 1000)
    tokenizer.chat_template["default"] = templates.PLAIN
    assert Renderer(tokenizer, 1000).rewritten == ""
