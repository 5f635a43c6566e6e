"""Conversations: what each turn says, in every protocol, and which steps are left out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotgap.agents.core import Request, Sampling, Tags
from cotgap.agents.prompts import EXAMPLE, KEPT, Dialogue, Shot
from cotgap.agents.protocol import PromptProtocol, ask_for, system_message
from cotgap.agents.rendering import Renderer
from cotgap.envs.core import CoTGapError, UnknownNameError

from .templates import ALL, PLAIN, QWEN3

TAGS = Tags()
SHOT = Shot(
    [
        ("You are in a hall.", "go east", "East is new.", ["go east", "look"]),
        ("You are in a study.", "look", "", ["go west", "look"]),
    ]
)


def dialogue(protocol: str = "tags-1", shots: list[Shot] | None = None, **options: Any) -> Dialogue:
    return Dialogue(PromptProtocol.parse(protocol), TAGS, "Rules.", shots or [], **options)


def request(talk: Dialogue, mode: str = "prompt", max_new_tokens: int = 64) -> Request:
    return talk.request(
        mode, sampling=Sampling(), seed=7, cache_key="e", max_new_tokens=max_new_tokens
    )


def turns(talk: Dialogue) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in request(talk).messages]


def test_a_plain_conversation() -> None:
    talk = dialogue()
    talk.observe("You are in a hall.", ["go east"])
    talk.act("go east", "East is new.")
    talk.observe("You are in a study.", ["look"])
    talk.act(None, "I am lost")
    talk.observe("Nothing happens.", None)
    assert turns(talk) == [
        ("system", system_message("Rules.", TAGS, EXAMPLE)),
        ("user", "You are in a hall."),
        ("assistant", "<action>go east</action>"),
        ("user", "You are in a study."),
        ("assistant", "<action></action>"),
        ("user", "Nothing happens."),
    ]


def test_both_modes_ask_about_the_same_conversation() -> None:
    talk = dialogue()
    talk.observe("You are in a hall.", None)
    prompt, cot = request(talk, "prompt"), request(talk, "cot", 512)
    assert prompt.messages == cot.messages
    assert (prompt.prefill, cot.prefill) == ("<action>", "<think>")
    assert prompt.stop == cot.stop == ("</action>",)
    assert (prompt.max_new_tokens, cot.max_new_tokens) == (64, 512)
    assert (prompt.mode, prompt.seed, prompt.cache_key, prompt.step) == ("prompt", 7, "e", 0)
    assert prompt.token_ids is None


def test_thoughts_are_kept_where_the_protocol_says_so() -> None:
    talk = dialogue("tags-1+thoughts")
    talk.observe("A", None)
    talk.act("go east", "East is new.")
    talk.observe("B", None)
    talk.act("look", None)
    talk.observe("C", None)
    assert turns(talk)[2] == ("assistant", "<think>East is new.</think>\n<action>go east</action>")
    assert turns(talk)[4] == ("assistant", "<action>look</action>")


def test_admissible_actions_are_listed_where_the_protocol_says_so() -> None:
    talk = dialogue("tags-1+admissible")
    talk.observe("You are in a hall.", ["go east", "put mug 1 in/on desk 2"])
    assert turns(talk)[1][1] == (
        "You are in a hall.\n\nAdmissible actions:\n- go east\n- put mug 1 in/on desk 2"
    )
    with pytest.raises(CoTGapError, match=r"leave \+admissible out"):
        dialogue("tags-1+admissible").observe("You are in a hall.", None)


def test_modes_are_asked_for_where_the_protocol_says_so() -> None:
    talk = dialogue("tags-1+asked")
    talk.observe("You are in a hall.", None)
    talk.act("go east", None)
    talk.observe("You are in a study.", None)
    for mode, tag in (("prompt", "<action>"), ("cot", "<think>")):
        made = request(talk, mode)
        assert (made.prefill, made.prefill_ids) == ("", ())
        assert [message.content for message in made.messages[1:]] == [
            "You are in a hall.",
            "<action>go east</action>",
            f"You are in a study.\n\nBegin your reply with {tag}",
        ]


def test_what_is_asked_is_rendered_and_has_its_room(render_with: Callable[..., Renderer]) -> None:
    plain, asked = (
        dialogue(protocol, renderer=render_with(PLAIN), reserve=64)
        for protocol in ("tags-1", "tags-1+asked")
    )
    renderer = render_with(PLAIN)
    for talk in (plain, asked):
        talk.observe("You are in a hall.", None)
    text = renderer.decode(request(asked).token_ids or ())
    assert text == renderer.decode(request(plain).token_ids or ()).replace(
        "hall.", "hall.\n\nBegin your reply with <action>"
    )
    # The longest conversation still leaves room for what is appended and for the reply.
    small = dialogue("tags-1+asked", renderer=render_with(PLAIN, 700), reserve=64)
    for step in range(40):
        small.observe(f"You are in hall {step}.", None)
        longest = max(len(request(small, mode).token_ids or ()) for mode in ("prompt", "cot"))
        assert longest + 64 <= 700
        small.act("go east", None)
    assert small.dropped_steps > 0


def test_shots_precede_the_task() -> None:
    talk = dialogue("tags-1+shots=2", [SHOT, SHOT])
    talk.observe("You are in a cellar.", None)
    assert turns(talk)[1:6] == [
        ("user", "[Example 1 of 2]\n\nYou are in a hall."),
        ("assistant", "<action>go east</action>"),
        ("user", "You are in a study."),
        ("assistant", "<action>look</action>"),
        ("user", "[Example 2 of 2]\n\nYou are in a hall."),
    ]
    assert turns(talk)[-1] == ("user", "[Your task]\n\nYou are in a cellar.")
    assert request(talk).step == 0
    with pytest.raises(CoTGapError, match="shows 2 expert episodes, but 1 were given"):
        dialogue("tags-1+shots=2", [SHOT])


def test_shots_follow_the_other_options() -> None:
    talk = dialogue("tags-1+admissible+shots=1+thoughts", [SHOT])
    talk.observe("You are in a cellar.", ["look"])
    assert [text for _, text in turns(talk)[1:4]] == [
        "[Example 1 of 1]\n\nYou are in a hall.\n\nAdmissible actions:\n- go east\n- look",
        "<think>East is new.</think>\n<action>go east</action>",
        "You are in a study.\n\nAdmissible actions:\n- go west\n- look",
    ]


def test_turns_alternate() -> None:
    talk = dialogue()
    with pytest.raises(ValueError, match="without observe"):
        talk.act("look", None)
    talk.observe("A", None)
    with pytest.raises(ValueError, match="twice"):
        talk.observe("B", None)


def test_bad_requests() -> None:
    talk = dialogue(reserve=100)
    talk.observe("A", None)
    with pytest.raises(UnknownNameError, match="unknown mode 'cott'"):
        request(talk, "cott")
    with pytest.raises(ValueError, match="reserve=101"):
        request(talk, "cot", 101)


# Overflow. The tiny tokenizer gives a few tokens per observation.


def play(talk: Dialogue, steps: int, words: int = 6) -> list[Request]:
    seen = []
    for step in range(steps):
        talk.observe(f"Observation {step}." + " look" * words, None)
        seen.append(request(talk, max_new_tokens=8))
        talk.act(f"go to desk {step}", None)
    return seen


def test_the_oldest_steps_make_room(render_with: Callable[..., Renderer]) -> None:
    talk = dialogue(renderer=render_with(PLAIN, 700), reserve=64)
    requests = play(talk, 40)
    drops = [one.dropped_steps for one in requests]
    assert drops[0] == 0
    assert drops == sorted(drops)
    # In chunks, so that the prompt's beginning stays the same for a while.
    assert all(after - before in (0, *range(3, 9)) for before, after in pairwise(drops))
    assert drops[-1] > 20
    for one in requests:
        ids = one.token_ids or ()
        assert len(ids) + len(one.prefill_ids) + 64 <= 700
        assert one.messages[1].content.startswith("Observation 0.")
        assert one.messages[-1].content.startswith(f"Observation {one.step}.")
        roles = [message.role for message in one.messages[1:]]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        if one.dropped_steps:
            assert one.messages[1].content == (
                "Observation 0."
                + " look" * 6
                + f"\n\n[Earlier steps left out: {one.dropped_steps}]"
                f"\n\nObservation {one.dropped_steps}." + " look" * 6
            )
            kept = one.messages[2].content if len(one.messages) > 2 else None
            assert kept in (None, f"<action>go to desk {one.dropped_steps}</action>")
    for before, after in pairwise(requests):
        if before.dropped_steps == after.dropped_steps:
            assert (after.token_ids or ())[: len(before.token_ids or ())] == before.token_ids


@pytest.mark.parametrize("template", ALL)
@pytest.mark.parametrize("protocol", ["tags-1", "tags-1+asked", "tags-1+thoughts+shots=1"])
def test_a_prompt_is_the_whole_conversation_rendered(
    render_with: Callable[..., Renderer], template: str, protocol: str
) -> None:
    """What is kept from step to step is what rendering everything anew gives, drops included."""
    renderer = render_with(ALL[template], 900)
    shots = [SHOT] if "shots" in protocol else []
    talk = dialogue(protocol, shots, renderer=renderer, reserve=64)
    tails = (TAGS.think_open, TAGS.action_open)
    if "asked" in protocol:
        tails = (ask_for(tails[0]), ask_for(tails[1]))
    room = 900 - 64 - max(len(renderer.encode(tail, True)) for tail in tails)
    for step in range(30):
        before = talk.dropped_steps
        talk.observe(f"  Observation {step}." + " look" * (step % 7) + "\n", None)
        one, shown = request(talk, max_new_tokens=8), talk.turns()
        if "asked" not in protocol:
            assert [(m.role, m.content) for m in one.messages] == [(t.role, t.text) for t in shown]
            whole = [id_ for segment in talk.segments() for id_ in segment.ids]
            assert list(one.token_ids or ()) == whole
        if (after := talk.dropped_steps) > before:
            assert sum(len(segment.ids) for segment in talk.segments()) <= KEPT * room
            talk.dropped_steps = after - 1
            assert sum(len(segment.ids) for segment in talk.segments()) > KEPT * room
            talk.dropped_steps = after
        talk.act(f"go to desk {step}", f" Because {step}. ")
    assert talk.dropped_steps > 0


def test_dropping_depends_on_the_conversation_alone(
    render_with: Callable[..., Renderer],
) -> None:
    renderer = render_with(QWEN3, 700)
    asked, silent = (dialogue(renderer=renderer, reserve=64) for _ in range(2))
    play(asked, 30)
    for step in range(30):
        silent.observe(f"Observation {step}." + " look" * 6, None)
        silent.act(f"go to desk {step}", "not shown")
    assert asked.dropped_steps == silent.dropped_steps > 0
    assert asked.segments() == silent.segments()


@settings(max_examples=25, deadline=None)
@given(
    context=st.integers(1, 900),
    reserve=st.integers(8, 700),
    words=st.lists(st.integers(0, 300), min_size=1, max_size=12),
)
def test_overflow_raises_at_first_or_never(
    render_with: Callable[..., Renderer], context: int, reserve: int, words: list[int]
) -> None:
    renderer = render_with_context(render_with, context)
    talk = dialogue(renderer=renderer, reserve=reserve)
    for step, count in enumerate(words):
        try:
            talk.observe("look" + " look" * count, None)
        except CoTGapError:
            assert step == 0
            tags = (TAGS.think_open, TAGS.action_open)
            prefill = max(len(renderer.encode(tag, True)) for tag in tags)
            length = sum(len(segment.ids) for segment in talk.segments())
            assert length + prefill + reserve >= context
            return
        one = request(talk, max_new_tokens=8)
        fits = len(one.token_ids or ()) + len(one.prefill_ids) + reserve <= context
        assert fits or one.dropped_steps == one.step
        talk.act("look", None)


def test_a_beginning_that_fills_the_context(render_with: Callable[..., Renderer]) -> None:
    def start(context: int, shots: int = 0) -> Dialogue:
        renderer = render_with_context(render_with, context)
        protocol = f"tags-1+shots={shots}" if shots else "tags-1"
        talk = dialogue(protocol, [SHOT] * shots, renderer=renderer, reserve=100)
        talk.observe("You are in a hall.", None)
        return talk

    asked = [request(start(9000), mode, 8) for mode in ("prompt", "cot")]
    prompt = len(asked[0].token_ids or ())
    reply = 100 + max(len(one.prefill_ids) for one in asked)
    assert request(start(prompt + reply + 1)).token_ids == asked[0].token_ids
    with pytest.raises(CoTGapError) as caught:
        start(prompt + reply)
    for part in (f"context of {prompt + reply} ", f"take {prompt},", f"{reply} are reserved"):
        assert part in str(caught.value)
    with pytest.raises(
        CoTGapError, match=r"2 expert episodes .* --thought-tokens .* fewer \+shots"
    ):
        start(prompt + reply + 1, shots=2)


def render_with_context(render_with: Callable[..., Renderer], context: int) -> Renderer:
    renderer = render_with(PLAIN)
    renderer.context = context
    return renderer
