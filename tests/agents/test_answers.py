"""What a server may send in place of a reply: never a score, never a traceback, never unbounded."""

from __future__ import annotations

import copy
import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotgap.agents.core import BackendError, Completion
from cotgap.agents.serving.answers import NotAReplyError, parse, reply_of, usage_of
from cotgap.agents.serving.backend import OpenAIBackend
from cotgap.agents.serving.http import Connection, is_loopback
from cotgap.agents.specs import make_agent
from cotgap.benchmark.records.episode import Status
from cotgap.envs.core import CoTGapError
from tests.agents.test_openai import QUICK, one_request, play
from tests.servers.faults import Fault, proxy

CHAT = {
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}
TEXT = {"model": "m", "choices": [{"index": 0, "text": "hi", "finish_reason": "length"}]}


def changed(**fields: Any) -> dict[str, Any]:
    """A chat answer with other fields: its own, its choice's, or its message's (`message_…`)."""
    answer: dict[str, Any] = copy.deepcopy(CHAT)
    choice = answer["choices"][0]
    for name, value in fields.items():
        if name.startswith("message_"):
            choice["message"][name.removeprefix("message_")] = value
        elif name in ("error", "choices", "usage", "model"):
            answer[name] = value
        else:
            choice[name] = value
    return answer


NO_REPLIES = {
    "error reason": changed(finish_reason="error"),
    "aborted": changed(finish_reason="abort"),
    "filtered": changed(finish_reason="content_filter"),
    "no reason": changed(finish_reason=None),
    "a list as reason": changed(finish_reason=["stop"]),
    "tool calls as reason": changed(finish_reason="tool_calls"),
    "no content": changed(message_content=None),
    "content in parts": changed(message_content=[{"type": "text", "text": "hi"}]),
    "only tool calls": changed(message_content="", message_tool_calls=[{"id": "1"}]),
    "a function call": changed(message_content="", message_function_call={"name": "f"}),
    "a refusal": changed(message_content="", message_refusal="I cannot"),
    "an error beside it": changed(error={"message": "overloaded"}, message_content=""),
    "an error in the choice": changed(error={"message": "overloaded"}),
    "another choice": changed(index=1),
    "no choice": changed(choices=[]),
    "two choices": changed(choices=CHAT["choices"] * 2),
    "choices that are none": changed(choices={"0": "hi"}),
    "a message that is none": changed(message="hi"),
}


@pytest.mark.parametrize("answer", NO_REPLIES.values(), ids=NO_REPLIES)
def test_what_is_no_reply_is_not_read_as_one(answer: dict[str, Any]) -> None:
    with pytest.raises(NotAReplyError):
        reply_of(answer)


def test_replies_are_read() -> None:
    assert reply_of(CHAT)[0] == reply_of(TEXT)[0] == "hi"
    assert reply_of(changed(message_content=""))[0] == "", "a model may write nothing"
    assert reply_of(changed(message_refusal=None, message_tool_calls=[]))[0] == "hi"
    assert usage_of(TEXT, 0.0).prompt_tokens == 0


def test_the_server_s_reason_is_kept() -> None:
    with pytest.raises(NotAReplyError, match="overloaded"):
        reply_of(NO_REPLIES["an error beside it"])
    with pytest.raises(NotAReplyError, match="I cannot"):
        reply_of(NO_REPLIES["a refusal"])


@pytest.mark.parametrize(
    "number", [float("inf"), float("nan"), -1, "many", [], True, 1e300, 10**30]
)
def test_counts_are_counts(number: Any) -> None:
    with pytest.raises(NotAReplyError):
        usage_of({"usage": {"completion_tokens": number}}, 0.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["choices", "usage", "error", "model"]), JSON))
def test_any_json_is_a_reply_or_is_none(answer: dict[str, Any]) -> None:
    for read in (lambda: reply_of(answer), lambda: usage_of(answer, 0.0)):
        try:
            read()
        except (NotAReplyError, BackendError):
            continue


@settings(deadline=None)
@given(JSON, JSON)
def test_any_choice_is_a_reply_or_is_none(choice: Any, message: Any) -> None:
    for one in (choice, {"message": message, "finish_reason": "stop"}):
        try:
            assert isinstance(reply_of({"choices": [one]})[0], str)
        except (NotAReplyError, BackendError):
            continue


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"a":' * 200_000, b"[]", b"\xff\xfe", b"", b"nul", b"7" * 10_000]
)
def test_a_body_that_is_no_object(body: bytes) -> None:
    with pytest.raises(NotAReplyError):
        parse(body)


def test_a_secret_is_in_no_field() -> None:
    body = json.dumps({"a": ["x sk-1 y", {"sk-1": "sk-1"}], "b": 1}).encode()
    assert b"sk-1" not in json.dumps(parse(body, "sk-1")).encode()
    escaped = b'{"a": "s\\u006b-1"}'
    assert parse(escaped, "sk-1") == {"a": "***"}


# Against a real server, through a proxy that changes what it says.


@pytest.fixture
def opened(tiny_checkpoint: Path) -> Iterator[Callable[..., OpenAIBackend]]:
    made: list[OpenAIBackend] = []

    def opened(url: str, **options: Any) -> OpenAIBackend:
        made.append(OpenAIBackend.open(f"{url}#{tiny_checkpoint}", **{**QUICK, **options}))
        return made[-1]

    yield opened
    for backend in made:
        backend.close()


def of_choice(**fields: Any) -> Callable[[Any], Any]:
    def change(answer: Any) -> Any:
        answer["choices"][0].update(fields)
        return answer

    return change


CHANGES: dict[str, Callable[[Any], Any]] = {
    "an error as reason": of_choice(finish_reason="error"),
    "no reason": of_choice(finish_reason=None),
    "no text": of_choice(text=None),
    "choice 1": of_choice(index=1),
    "another model": lambda answer: {**answer, "model": "another"},
    "an error beside it": lambda answer: {**answer, "error": {"message": "as planned"}},
    "an infinite count": lambda answer: (
        json.dumps({**answer, "usage": {"prompt_tokens": "N"}}).replace('"N"', "1e400").encode()
    ),
    "deep JSON": lambda answer: b'{"choices":' * 200_000,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_reply_is_asked_for_again(
    opened: Any, served_tiny: str, tiny_checkpoint: Path, change: Callable[[Any], Any]
) -> None:
    with proxy(served_tiny) as between:
        backend = opened(between.url, tokenizer=tiny_checkpoint)
        expected = [step.decision.raw for e in play(backend, 1) for step in e.steps]
        between.change, faults = change, ["changed", "pass"]
        between.plan = iter(faults * 1000)
        assert [step.decision.raw for e in play(backend, 1) for step in e.steps] == expected
        between.plan = iter(["changed"] * 1000)
        with pytest.raises(BackendError, match="tried"):
            backend.complete([one_request(backend)])


@pytest.mark.parametrize("fault", ["endless", "bomb"])
def test_an_answer_has_a_size(
    opened: Any, served_tiny: str, tiny_checkpoint: Path, fault: Fault
) -> None:
    with proxy(served_tiny) as between:
        backend = opened(between.url, tokenizer=tiny_checkpoint)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        between.plan = iter([fault, "pass"])
        assert isinstance(backend.complete([one_request(backend)])[0], Completion)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000  # KiB


def test_a_foreign_encoding_is_no_trouble(
    opened: Any, served_tiny: str, tiny_checkpoint: Path
) -> None:
    with proxy(served_tiny) as between:
        backend = opened(between.url, tokenizer=tiny_checkpoint)
        between.plan = iter(["charset"])
        backend.complete([one_request(backend)])


def test_half_a_surrogate_goes_both_ways(
    opened: Any, served_tiny: str, tiny_checkpoint: Path
) -> None:
    with proxy(served_tiny) as between:
        backend = opened(between.url, tokenizer=tiny_checkpoint)
        between.change, between.plan = (
            of_choice(text="\ud83d", finish_reason="stop"),
            iter(["changed"]),
        )
        assert backend.complete([one_request(backend)])[0].text == "\ud83d"


def test_a_full_context_drops_the_oldest_steps(served_tiny: str, tiny_checkpoint: Path) -> None:
    """As for a local model; with nothing left to drop, the reply is cut at once."""
    with proxy(served_tiny) as between:
        agent = make_agent(f"openai:{between.url}#{tiny_checkpoint}")
        try:
            between.change = of_choice(message={"content": "<action>look</action>"})
            between.room, between.plan = 700, iter(["full"] * 100_000)
            (episode, *_) = play(agent, 1, steps=12, tokens=8)
            assert episode.status is Status.TRUNCATED, episode.error
            dropped = [step.decision.usage.dropped_steps for step in episode.steps]
            assert dropped == sorted(dropped)
            assert 0 < dropped[-1] <= len(episode.steps)
            sent = [body for body in between.bodies if "messages" in body]
            assert any("[Earlier steps left out: " in json.dumps(body) for body in sent)
            between.room = 0
            (cut, *_) = play(agent, 1, steps=2, tokens=8)
            assert [step.decision.finish_reason for step in cut.steps] == ["length"] * 2
        finally:
            agent.close()


def test_what_a_model_that_thinks_refuses_is_found_out(
    served_tiny: str, tiny_checkpoint: Path
) -> None:
    with proxy(served_tiny) as between:
        between.change = of_choice(message={"content": "look"})
        between.plan = iter(["hosted"] * 1000)
        agent = make_agent(f"openai:{between.url}#{tiny_checkpoint}")
        try:
            said = agent.describe()
            assert (said["takes_temperature"], said["prefills"], said["stops"]) == (
                False, False, "not sent",
            )  # fmt: skip
            (episode, *_) = play(agent, 1, steps=2, tokens=64)
            assert episode.status is Status.TRUNCATED, episode.error
            assert "temperature" not in between.bodies[-1]
        finally:
            agent.close()


# The way to a server.


@pytest.mark.parametrize("variable", ["ALL_PROXY", "http_proxy", "all_proxy"])
def test_this_machine_is_asked_directly(
    opened: Any, served_tiny: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "socks://127.0.0.1:9")
    opened(served_tiny)


def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://user:secret@127.0.0.1:9")
    with pytest.raises(CoTGapError, match="ALL_PROXY") as caught:
        Connection(["http://192.0.2.1/v1"], concurrency=1)
    assert "secret" not in str(caught.value)


def test_loopback() -> None:
    here = [
        "http://127.0.0.1:8000/v1",
        "http://127.3.2.1/v1",
        "http://[::1]:1/v1",
        "http://localhost",
    ]
    assert all(map(is_loopback, here))
    assert not any(map(is_loopback, ["http://10.0.0.1/v1", "http://localhost.example/v1"]))
