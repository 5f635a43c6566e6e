"""The slot cache: the tokens of a plain `generate`, each computed once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cotgap.agents.agent import Agent
from cotgap.agents.core import BackendError, Completion, Request, Sampling
from cotgap.agents.decoding import attention
from cotgap.agents.decoding.attention import WASTE, spans
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.decoding.fit import fit
from cotgap.agents.decoding.lockstep import LockstepDecoder, shared
from cotgap.agents.decoding.threads import set_threads
from cotgap.agents.modes import modes
from cotgap.envs.core import CoTGapError

from .architectures import SERVED, SIZES, UNSERVED, random_model
from .reference import generated
from .templates import PLAIN, train_tokenizer

ROOMS = ["a desk 1 and a bed 2", "a drawer 3", "a mug 1, a key and, quickly, a desk 2", "a bed 1"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    made = train_tokenizer()
    made.chat_template = PLAIN
    return made


@pytest.fixture(scope="module")
def llama(tokenizer: Any) -> Any:
    return random_model("llama", SIZES, len(tokenizer), tokenizer.eos_token_id)


def states(
    backend: TransformersBackend,
    episode: int,
    steps: int = 3,
    *,
    tokens: int = 10,
    temperature: float = 0.0,
) -> list[list[Request]]:
    """An episode's requests, all modes at each state."""
    talk = Agent("it", "it", backend).dialogue("Put some mug on desk.", reserve=tokens)
    made = []
    for step in range(steps):
        talk.observe(f"You see {ROOMS[(episode + step) % 4]}." * (1 + step % 2), None)
        made.append(
            [
                talk.request(
                    mode,
                    sampling=Sampling(temperature),
                    seed=1000 * episode + 10 * step + number,
                    cache_key=f"episode {episode}",
                    max_new_tokens=tokens,
                )
                for number, mode in enumerate(modes())
            ]
        )
        talk.act(f"go to desk {episode}", None)
    return made


def play(
    backend: TransformersBackend, episodes: Sequence[Sequence[Sequence[Request]]]
) -> list[list[list[Completion]]]:
    """Every episode at its own pace, as an engine plays them."""
    done: list[list[list[Completion | None]]] = [
        [[None for _ in state] for state in episode] for episode in episodes
    ]
    flying: dict[int, tuple[int, int, int]] = {}

    def send(episode: int, step: int) -> None:
        tickets = backend.submit(episodes[episode][step])
        flying.update({t: (episode, step, number) for number, t in enumerate(tickets)})

    for number in range(len(episodes)):
        send(number, 0)
    while flying:
        for ticket, completion in backend.collect():
            episode, step, number = flying.pop(ticket)
            done[episode][step][number] = completion
            if None not in done[episode][step] and step + 1 < len(episodes[episode]):
                send(episode, step + 1)
    return cast(list[list[list[Completion]]], done)


def texts(played: Sequence[Sequence[Sequence[Completion]]]) -> list[str]:
    return [one.text for episode in played for state in episode for one in state]


def plainly(
    backend: TransformersBackend, episodes: Sequence[Sequence[Sequence[Request]]]
) -> list[str]:
    return [generated(backend, one) for episode in episodes for state in episode for one in state]


@pytest.mark.parametrize("name", SERVED)
def test_tokens_are_those_of_generate(tokenizer: Any, name: str) -> None:
    kind, sizes = SERVED[name]
    model = random_model(kind, sizes, len(tokenizer), tokenizer.eos_token_id)
    backend = TransformersBackend(model, tokenizer, "", 2)
    assert (backend.describe()["decoding"], backend.fallback_reason) == ("slots", "")
    episodes = [states(backend, number) for number in range(3)]
    expected = plainly(backend, episodes)
    assert len(set(expected)) > 4
    assert texts(play(backend, episodes)) == expected


@pytest.mark.parametrize("name", SERVED)
def test_a_common_beginning_is_read_once(
    tokenizer: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, sizes = SERVED[name]
    model = random_model(kind, sizes, len(tokenizer), tokenizer.eos_token_id)
    episodes = [states(TransformersBackend(model, tokenizer, "", 2), n) for n in range(3)]
    common: list[int] = []
    attend = attention._attend_in_parts

    def noted(*arguments: Any) -> torch.Tensor:
        common.append(arguments[4].common)
        return attend(*arguments)

    monkeypatch.setattr(attention, "_attend_in_parts", noted)
    backend = TransformersBackend(model, tokenizer, "", 3)
    common.clear()  # of the trial when it was opened
    expected = texts(play(backend, episodes))
    assert not common, "as short as it is, it is not worth it"
    monkeypatch.setattr(attention, "WASTE", 0)
    assert texts(play(backend, episodes)) == expected
    ours = model.config._attn_implementation == "sdpa" and None in fit(model).windows
    assert bool(common) is ours
    assert all(common)


@pytest.mark.parametrize("name", UNSERVED)
def test_other_architectures_are_decoded_in_batches(tokenizer: Any, name: str) -> None:
    kind, sizes = UNSERVED[name]
    model = random_model(kind, sizes, len(tokenizer), tokenizer.eos_token_id)
    backend = TransformersBackend(model, tokenizer, "", 3)
    said = backend.describe()
    assert said["decoding"] == "batches"
    assert said["no_slots_because"] == backend.fallback_reason != ""
    episodes = [states(backend, number, 2) for number in range(2)]
    assert texts(play(backend, episodes)) == plainly(backend, episodes)


def test_a_model_that_the_cache_gets_wrong_is_not_served(llama: Any, tokenizer: Any) -> None:
    class Absentminded:
        """Attends to its last token only when it has a cache."""

        def __getattr__(self, name: str) -> Any:
            return getattr(llama, name)

        def __call__(self, **inputs: Any) -> Any:
            if inputs.get("past_key_values") is not None:
                inputs["attention_mask"] = torch.zeros_like(inputs["attention_mask"])
            return llama(**inputs)

    backend = TransformersBackend(Absentminded(), tokenizer, "", 2)
    assert backend.describe()["decoding"] == "batches"
    assert "logits are off" in backend.fallback_reason


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_order_and_company_change_nothing(
    llama: Any, tokenizer: Any, temperature: float
) -> None:
    alone = TransformersBackend(llama, tokenizer, "", 1)
    episodes = [states(alone, number, temperature=temperature) for number in range(5)]
    expected = [texts(play(alone, [episode])) for episode in episodes]
    together = [text for episode in expected for text in episode]
    for rows in (2, 3, 16):
        backend = TransformersBackend(llama, tokenizer, "", rows)
        order = random.Random(rows).sample(range(5), 5)
        played = play(backend, [episodes[number] for number in order])
        assert [texts([one]) for one in played] == [expected[number] for number in order]
        assert texts(play(backend, episodes)) == together  # from rows in any state
        whole = [one for episode in episodes for state in episode for one in state]
        assert [one.text for one in backend.complete(whole[::-1])][::-1] == together


def test_each_token_is_computed_once(llama: Any, tokenizer: Any) -> None:
    backend = TransformersBackend(llama, tokenizer, "", 2)
    episodes = [states(backend, number) for number in range(4)]
    played = play(backend, episodes)
    system = shared(*(list(episodes[n][0][0].token_ids or ()) for n in (0, 1)))
    for number, (episode, answers) in enumerate(zip(episodes, played, strict=True)):
        for step, (requests, done) in enumerate(zip(episode, answers, strict=True)):
            prompt = len(requests[0].token_ids or ())
            before = len(episode[step - 1][0].token_ids or ()) if step else number and system
            first = min(one.usage.cached_tokens for one in done)
            assert prompt > first >= before, (number, step)
            assert max(one.usage.cached_tokens for one in done) >= prompt - 1  # the other mode
    assert all(
        one.usage.cached_tokens < one.usage.prompt_tokens
        for episode in played
        for state in episode
        for one in state
    )


def test_short_replies_do_not_wait_for_long_ones(llama: Any, tokenizer: Any) -> None:
    backend = TransformersBackend(llama, tokenizer, "", 2)
    long = states(backend, 0, tokens=60)[1][1]
    (short, _), *_ = states(backend, 1, tokens=2)
    (later, _), *_ = states(backend, 2, tokens=2)
    tickets = backend.submit([long, short, later])
    order = []
    while len(order) < 3:
        order += [ticket for ticket, _ in backend.collect()]
    assert order == [tickets[1], tickets[2], tickets[0]]
    assert backend.collect() == []


def test_prompts_that_change_in_the_middle_are_only_slower(llama: Any, tokenizer: Any) -> None:
    """As where a template rewrites earlier turns, or the oldest steps are dropped."""
    backend = TransformersBackend(llama, tokenizer, "", 2)
    _, _, (asked, _) = states(backend, 0)
    ids = list(asked.token_ids or ())
    ids[len(ids) // 2] += 1
    other = replace(asked, token_ids=tuple(ids))
    done = backend.complete([asked, other, asked])
    assert [one.text for one in done] == [generated(backend, one) for one in (asked, other, asked)]


def test_rows_grow_with_the_conversation(llama: Any, tokenizer: Any) -> None:
    backend = TransformersBackend(llama, tokenizer, "", 2)
    episode = states(backend, 0, 9, tokens=6)
    assert len(episode[-1][0].token_ids or ()) > 256 > len(episode[0][0].token_ids or ())
    assert texts(play(backend, [episode])) == plainly(backend, [episode])


def test_memory_bounds_the_rows(llama: Any, tokenizer: Any) -> None:
    token = 2 * 3 * 2 * 8 * 4  # keys and values, layers, heads, dim, bytes
    for slots, rows in ((2 * 256, 2), (256, 1)):
        backend = TransformersBackend(llama, tokenizer, "", 8, cache_memory=slots * token / 2**30)
        episodes = [states(backend, number, 2) for number in range(3)]
        assert texts(play(backend, episodes)) == plainly(backend, episodes)
        assert len(cast(LockstepDecoder, backend._decoder)._rows) == rows


def test_memory_too_small_for_a_row_is_an_error(llama: Any, tokenizer: Any) -> None:
    with pytest.raises(CoTGapError, match=r"holds no conversation: 256 tokens .*--cache-memory"):
        TransformersBackend(llama, tokenizer, "", 8, cache_memory=9e-5)
    backend = TransformersBackend(llama, tokenizer, "", 8, cache_memory=1e-4)
    *_, (asked, _) = states(backend, 0, 9)
    with pytest.raises(
        BackendError, match=r"conversation of (512|768) tokens.*more --cache-memory"
    ):
        backend.complete([asked])


def test_what_is_forgotten_leaves_no_trace(llama: Any, tokenizer: Any) -> None:
    backend = TransformersBackend(llama, tokenizer, "", 2)
    episodes = [states(backend, number) for number in range(2)]
    backend.submit([*episodes[0][0], *episodes[1][2]])
    backend._advance()
    backend.forget()
    assert backend.collect() == []
    assert texts(play(backend, episodes)) == plainly(backend, episodes)


def test_threads_are_set_or_measured(llama: Any) -> None:
    set_threads(2, llama)
    assert torch.get_num_threads() == 2
    set_threads(None, llama)
    assert torch.get_num_threads() in (1, 2)
    set_threads(1, llama)
    set_threads(None, llama)  # nothing to choose from
    assert torch.get_num_threads() == 1


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=32))
def test_spans_cover_all_rows_and_waste_little(lengths: list[int]) -> None:
    parts = spans(lengths)
    assert [row for first, end, _ in parts for row in range(first, end)] == [*range(len(lengths))]
    for first, end, extent in parts:
        assert extent == max(lengths[first:end])
    assert len(parts) == 1 or max(lengths) > min(lengths)
    # Joining the widest waste that neighbours may share would cost more than a call of its own.
    for (first, middle, one), (_, end, other) in itertools.pairwise(parts):
        longest = max(one, other)
        assert longest * (end - first) - one * (middle - first) - other * (end - middle) > WASTE
    took = sum(WASTE + extent * (end - first) for first, end, extent in parts)
    assert took <= 1.1 * least(lengths)


def least(lengths: list[int]) -> int:
    """What the best spans take."""
    best = [0]
    for end in range(1, len(lengths) + 1):
        best.append(
            min(
                best[first] + WASTE + max(lengths[first:end]) * (end - first)
                for first in range(end)
            )
        )
    return best[-1]


@given(st.lists(st.integers(0, 1), max_size=9), st.lists(st.integers(0, 1), max_size=9))
def test_shared_prefixes(one: list[int], other: list[int]) -> None:
    length = shared(one, other)
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]
