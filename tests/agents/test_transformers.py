"""The local backend on a tiny Qwen3 with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from cotgap.agents.agent import Agent
from cotgap.agents.core import BackendError, Completion, Request, Sampling, Streaming, Tags
from cotgap.agents.decoding.backend import TransformersBackend

from .reference import generated


class Forced:
    """A model that writes given tokens behind a prompt of `start` tokens, whatever it would have.

    Calls go through to the real model.
    """

    def __init__(self, model: Any, ids: Sequence[int], start: int = 0) -> None:
        self.real, self.ids, self.start = model, ids, start

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __call__(self, **inputs: Any) -> Any:
        out = self.real(**inputs)
        written = int(inputs["position_ids"][0, -1]) + 1 - self.start
        if written >= 0:
            out.logits[:] = -10.0
            out.logits[:, -1, self.ids[written]] = 10.0
        return out


def request(
    agent: Agent,
    *observations: str,
    mode: str = "prompt",
    max_new_tokens: int = 24,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Request:
    talk = agent.dialogue("Rules.")
    for step, observation in enumerate(observations or ("You see a desk 1.",)):
        if step:
            talk.act("look", None)
        talk.observe(observation, None)
    return talk.request(
        mode,
        sampling=Sampling(temperature, top_p),
        seed=seed,
        cache_key="",
        max_new_tokens=max_new_tokens,
    )


def write(
    tiny: TransformersBackend, monkeypatch: pytest.MonkeyPatch, ids: Sequence[int], **options: Any
) -> Completion:
    """The completion of a model that writes `ids`."""
    asked = request(Agent("it", "it", tiny), **options)
    start = len(asked.token_ids or ()) + len(asked.prefill_ids)
    monkeypatch.setattr(tiny, "model", Forced(tiny.model, ids, start))
    return tiny.complete([asked])[0]


def varied(agent: Agent, **options: Any) -> list[Request]:
    """Requests of unlike lengths, both modes at each state."""
    return [
        request(agent, "look " * (7 * number) + "here.", mode, seed=number, **options)
        for number in range(4)
        for mode in ("prompt", "cot")
    ]


def test_greedy_decoding_is_transformers_own(tiny: TransformersBackend, tiny_agent: Agent) -> None:
    for asked in varied(tiny_agent):
        assert tiny.complete([asked])[0].text == generated(tiny, asked)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_batches_do_not_change_replies(
    tiny: TransformersBackend, tiny_agent: Agent, temperature: float
) -> None:
    requests = varied(tiny_agent, temperature=temperature, top_p=0.9)
    alone = [tiny.complete([one])[0].text for one in requests]
    assert len(set(alone)) > 4
    for size in (2, 3, 8):
        whole = TransformersBackend(tiny.model, tiny.renderer.tokenizer, "", size)
        assert [one.text for one in whole.complete(requests)] == alone
        assert [one.text for one in whole.complete(requests[::-1])][::-1] == alone


def test_rows_that_end_leave_the_others_alone(tiny: TransformersBackend, tiny_agent: Agent) -> None:
    requests = [
        request(tiny_agent, f"desk {number}", max_new_tokens=limit)
        for number, limit in enumerate([1, 9, 3, 17])
    ]
    together = tiny.complete(requests)
    assert [one.usage.completion_tokens for one in together] == [1, 9, 3, 17]
    assert [one.text for one in together] == [tiny.complete([one])[0].text for one in requests]
    assert together[3].usage.seconds > together[0].usage.seconds


def test_sampling_goes_by_the_request_s_seed(tiny: TransformersBackend, tiny_agent: Agent) -> None:
    def text(seed: int) -> str:
        return tiny.complete([request(tiny_agent, temperature=1.0, seed=seed)])[0].text

    assert text(1) == text(1)
    assert len({text(seed) for seed in range(5)}) == 5


@pytest.mark.parametrize(
    "text",
    [
        "put mug 1 in/on desk 2</action>",
        "put mug 1 in/on desk 2</action>\n",
        "put mug 1 in/on desk 2</action>\n\n<action>go to",
        "café № 5 – «ü»</action>!",
        " look </action></action>",
    ],
)
def test_text_ends_right_after_the_stop_string(
    tiny: TransformersBackend, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    ids = tiny.renderer.encode(text, True)
    done = write(tiny, monkeypatch, ids, max_new_tokens=200)
    assert done.finish_reason == "stop"
    assert done.text == text[: text.index("</action>") + len("</action>")]
    # No token is decoded beyond the one that completes the stop string.
    assert tiny.renderer.decode(ids[: done.usage.completion_tokens - 1]).count("</action>") == 0


def test_a_line_break_may_share_a_token_with_the_tag(tiny: TransformersBackend) -> None:
    """Otherwise the test above would prove less than it says."""
    pieces = [tiny.renderer.decode([id_]) for id_ in tiny.renderer.encode("k</action>\n", True)]
    assert pieces[-1] not in (">", "\n")


@pytest.mark.parametrize("token", ["<|im_end|>", "<|endoftext|>"])
def test_an_end_of_turn_ends_the_reply(
    tiny: TransformersBackend, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    ids = [*tiny.renderer.encode("go to", True), *tiny.renderer.encode(token, True), 5, 5]
    done = write(tiny, monkeypatch, ids, max_new_tokens=20)
    assert (done.text, done.finish_reason) == ("go to", "eos")
    assert done.usage.completion_tokens == len(ids) - 2


def test_the_limit_ends_the_reply(
    tiny: TransformersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = write(tiny, monkeypatch, tiny.renderer.encode("go to drawer", True), max_new_tokens=2)
    assert done.finish_reason == "length"
    assert done.usage.completion_tokens == 2


def test_tags_of_the_model_stay_in_the_text(
    tiny: TransformersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "A desk.</think>\n<action>look</action>"
    ids = tiny.renderer.encode(text, True)
    done = write(tiny, monkeypatch, ids, mode="cot", max_new_tokens=99)
    assert done.text == text


def test_a_prompt_that_fills_the_context_gets_no_reply(
    tiny: TransformersBackend, tiny_agent: Agent
) -> None:
    filled = request(tiny_agent, "You see a desk 1.", "look " * tiny.renderer.context)
    short = request(tiny_agent)
    full, fine = tiny_agent.decide([filled, short])
    assert (full.raw, full.parse_error, full.finish_reason) == (
        "<action>",
        "unclosed_action",
        "length",
    )
    assert fine.usage.completion_tokens > 0


def test_requests_must_be_rendered(tiny: TransformersBackend) -> None:
    bare = Request((), "<action>", ("</action>",), 8, "prompt", tags=Tags())
    with pytest.raises(BackendError, match="not rendered"):
        tiny.complete([bare])


def test_a_failing_model_is_a_backend_error(
    tiny: TransformersBackend, tiny_agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Forced):
        error: RuntimeError

        def __call__(self, **inputs: Any) -> Any:
            raise self.error

    asked = request(tiny_agent)
    monkeypatch.setattr(tiny, "model", Failing(tiny.model, []))
    for error, message in [
        (RuntimeError("broken kernel"), "broken kernel"),
        (torch.OutOfMemoryError(), "smaller --batch-size"),
    ]:
        monkeypatch.setattr(Failing, "error", error, raising=False)
        with pytest.raises(BackendError, match=message):
            tiny.complete([asked])


def test_description(tiny: TransformersBackend) -> None:
    said = tiny.describe()
    assert (said["device"], said["dtype"]) == ("cpu", "float32")
    assert said["architecture"] == "Qwen3ForCausalLM"
    assert said["decoding"] == "slots"
    assert "no_slots_because" not in said
    assert tiny.circumstances() == {"threads": "1"}
    assert isinstance(tiny, Streaming)
    assert said["context"] == 4096
    assert said["parameters"] == sum(p.numel() for p in tiny.model.parameters())
