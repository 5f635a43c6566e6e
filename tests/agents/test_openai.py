"""Models behind servers: real ones that the tests start, and a proxy that fails on purpose."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.core import BackendError, Completion, Request, Sampling
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.serving.backend import OpenAIBackend, parse_address, read_key
from cotgap.agents.serving.endpoints import SLACK, Endpoints, retry_after
from cotgap.agents.specs import make_agent
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.rollout.episode import Decoding, Job
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel
from cotgap.envs.toy import SUITE
from tests.playing import played
from tests.servers.faults import RETRY_AFTER, Fault, proxy
from tests.servers.processes import free_port

PANEL = get_panel("toy/id")
PASSING: list[Fault] = [
    "429", "reset", "broken", "500", "truncated", "503", "foreign", "429 later", "html", "list",
]  # fmt: skip
QUICK = {"first_pause": 0.01, "answer_seconds": 60.0}


def play(backend: Any, games: int = 2, *, steps: int = 3, tokens: int = 8) -> list[Episode]:
    """Both modes of toy games, with shadows."""
    panel = PANEL.with_step_limit(steps)
    kinds: tuple[tuple[str, tuple[str, ...]], ...] = (("prompt", ()), ("cot", ("prompt",)))
    keys = [PANEL.key(task.id) for task in PANEL.tasks[:games]]
    jobs = [Job(key, panel.lock, *kind, 0) for key in keys for kind in kinds]
    decoding = Decoding(Sampling(), Limits(tokens, tokens), 0)
    agent = backend if isinstance(backend, Agent) else Agent("it", "it", backend)
    episodes = played(agent, jobs, decoding, lambda key: SUITE.make(panel), width=4)
    return sorted(episodes, key=lambda episode: episode.id)


def replies(episodes: Sequence[Episode]) -> list[Any]:
    """Everything that was decided."""
    return [
        (episode.id, episode.status, decision.raw, decision.finish_reason)
        for episode in episodes
        for step in episode.steps
        for decision in (step.decision, *step.shadows.values())
    ]


def one_request(backend: OpenAIBackend, mode: str = "prompt", tokens: int = 6) -> Request:
    talk = Agent("it", "it", backend).dialogue("Rules.")
    talk.observe("You see a desk 1.", None)
    return talk.request(mode, sampling=Sampling(), seed=0, cache_key="one", max_new_tokens=tokens)


@pytest.fixture
def opened(tiny_checkpoint: Path) -> Iterator[Any]:
    """Opens backends of the tiny checkpoint and closes them in the end."""
    made: list[OpenAIBackend] = []

    def opened(*urls: str, **options: Any) -> OpenAIBackend:
        options = {"tokenizer": tiny_checkpoint, **QUICK, **options}
        made.append(OpenAIBackend.open(f"{','.join(urls)}#{tiny_checkpoint}", **options))
        return made[-1]

    yield opened
    for backend in made:
        backend.close()


def test_decisions_are_the_local_backend_s(
    opened: Any, served_tiny: str, tiny: TransformersBackend
) -> None:
    served = opened(served_tiny)
    said = served.describe()
    assert (said["prompts"], said["stops"]) == ("text", "included")
    assert said["weights"] == "not verified"
    assert said["context"] == 4096
    decided = play(served)
    assert replies(decided) == replies(play(tiny))
    assert {episode.status for episode in decided} == {Status.TRUNCATED}


def test_what_identifies_the_answers(
    opened: Any, served_tiny: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    first = opened(served_tiny)
    assert opened(served_tiny, concurrency=3).fingerprint == first.fingerprint
    with proxy(served_tiny) as other_place:
        assert opened(other_place.url).fingerprint == first.fingerprint
    for file in tiny_checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "chat_template.jinja").write_text(
        (tiny_checkpoint / "chat_template.jinja").read_text().replace("<|im_end|>", "<|im_end|>\n")
    )
    assert opened(served_tiny, tokenizer=tmp_path).fingerprint != first.fingerprint


def test_failures_that_pass_cost_nothing(opened: Any, served_tiny: str) -> None:
    expected = replies(play(opened(served_tiny), 4))
    with proxy(served_tiny) as between:
        backend = opened(between.url)
        between.plan = itertools.cycle(
            kind for fault in PASSING for kind in (fault, "pass", "pass")
        )
        assert replies(play(backend, 4)) == expected
        assert set(between.faults) == {*PASSING, "pass"}


def test_a_storm_of_429_is_waited_out(opened: Any, served_tiny: str) -> None:
    expected = replies(play(opened(served_tiny)))
    with proxy(served_tiny) as between:
        backend = opened(between.url)
        between.times.clear()
        between.plan = iter([*["429 later"] * 20, *["pass"] * 100])
        assert replies(play(backend)) == expected
        # At most four episodes' six requests come at once, and again after each pause.
        assert between.times[20] - between.times[0] >= 3 * RETRY_AFTER


@pytest.mark.parametrize("fault", ["slow", "trickle"])
def test_an_answer_that_takes_too_long_is_asked_for_again(
    opened: Any, served_tiny: str, fault: Fault
) -> None:
    with proxy(served_tiny) as between:
        backend = opened(between.url, answer_seconds=2.0)
        between.plan = iter([fault, *["pass"] * 20])
        assert isinstance(backend.complete([one_request(backend)])[0], Completion)
        assert between.faults[fault] == 1


def test_retry_after_is_honoured(opened: Any, served_tiny: str) -> None:
    with proxy(served_tiny) as between:
        backend = opened(between.url)
        between.times.clear()
        between.plan = iter(["429 later", "pass"])
        backend.complete([one_request(backend)])
        first, second = between.times
        assert second - first >= RETRY_AFTER


@pytest.mark.parametrize(
    ("fault", "tries", "message"),
    [
        ("500", 8, r"HTTP 500 .*as planned \(tried 8 times\)"),
        ("broken", 8, "broken JSON"),
        ("reset", 8, "tried 8 times"),
        ("400", 1, "HTTP 400 Bad Request: as planned"),
        ("429 never", 1, "come back in 86400 s"),
    ],
)
def test_a_request_that_stays_failed_is_its_episode_s(
    opened: Any, served_tiny: str, fault: Fault, tries: int, message: str
) -> None:
    with proxy(served_tiny) as between:
        # One at a time, so that one request gets all the faults.
        backend = opened(between.url, first_pause=0.001, concurrency=1)
        between.plan = iter([fault] * 100)
        with pytest.raises(BackendError, match=message):
            backend.complete([one_request(backend)])
        between.plan = iter([fault] * tries + ["pass"] * 100)
        between.requests = 0
        episodes = play(backend, 1, steps=1)
    assert sorted(episode.status.value for episode in episodes) == ["backend_error", "truncated"]
    assert between.requests == tries + 2  # one of three requests failed, once and for all
    assert [e.score for e in episodes if not e.status.scored] == [None]


def test_requests_in_flight_are_bounded(opened: Any, served_tiny: str) -> None:
    with proxy(served_tiny) as between:
        backend = opened(between.url, concurrency=3)
        request = one_request(backend)
        backend.submit([request] * 12)
        done = 0
        while done < 12:
            done += len(backend.collect())
        assert 2 <= between.most_in_flight <= 3


def test_several_endpoints_share_the_work_and_stand_in(opened: Any, served_tiny: str) -> None:
    with proxy(served_tiny) as one, proxy(served_tiny) as two:
        backend = opened(one.url, two.url)
        one.requests = two.requests = 0
        expected = replies(play(backend))
        assert one.requests > 0
        assert two.requests > 0
        one.plan = iter(["503"] * 1000)
        two.requests = 0
        assert replies(play(backend)) == expected
        assert two.requests >= len(expected)


def test_what_is_dropped_is_dropped_at_once(opened: Any, served_tiny: str) -> None:
    with proxy(served_tiny) as between:
        backend = opened(between.url)
        between.plan = iter(["slow"] * 100)
        begun = time.monotonic()
        backend.submit([one_request(backend)] * 3)
        time.sleep(0.2)
        backend.forget()
        assert backend.collect() == []
        backend.close()
        assert time.monotonic() - begun < 2


def test_a_prompt_that_fills_the_context_is_not_sent(opened: Any, served_tiny: str) -> None:
    with proxy(served_tiny) as between:
        backend = opened(between.url)
        request = one_request(backend)
        backend.renderer.context = len(request.token_ids or ()) + len(request.prefill_ids)
        sent = between.requests
        (done,) = backend.complete([request])
        assert (done.text, done.finish_reason) == ("", "length")
        assert between.requests == sent


def test_a_server_that_cannot_prefill_is_asked_for_the_mode(
    served_tiny: str, tiny_checkpoint: Path
) -> None:
    with proxy(served_tiny) as between:
        agent = make_agent(f"openai:{between.url}#{tiny_checkpoint}", protocol="tags-1+admissible")
        try:
            assert str(agent.protocol) == "tags-1+admissible+asked"
            assert "tags-1+admissible+asked" in agent.notice
            assert agent.describe()["prefills"] is False
            talk = agent.dialogue("Rules.")
            talk.observe("You see a desk 1.", ["look"])
            for mode, tag in (("prompt", "<action>"), ("cot", "<think>")):
                request = talk.request(
                    mode, sampling=Sampling(), seed=0, cache_key="", max_new_tokens=3
                )
                assert request.prefill == ""
                agent.decide([request])
                sent: Any = between.bodies[-1]["messages"]
                assert [message["role"] for message in sent] == ["system", "user"]
                assert sent[-1]["content"].endswith(f"\n\nBegin your reply with {tag}")
        finally:
            agent.close()


@pytest.mark.parametrize(
    ("address", "urls", "model"),
    [
        ("http://a:1/v1#m", ["http://a:1/v1"], "m"),
        ("http://a:1/v1/", ["http://a:1/v1"], ""),
        ("http://a:1", ["http://a:1/v1"], ""),
        ("https://a/x/v1,http://b/v1#org/m,1", ["https://a/x/v1", "http://b/v1"], "org/m,1"),
    ],
)
def test_addresses(address: str, urls: list[str], model: str) -> None:
    assert parse_address(address) == (urls, model)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "#m",
        "localhost:8000",
        "ftp://a/v1",
        "http://",
        "http://[::1/v1",
        "http://a,",
        "http://a:b",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(CoTGapError, match=r"is no server's address: expected openai:http://HOST"):
        parse_address(address)


@pytest.mark.parametrize("address", ["http://u:hush@a/v1", "http://hush@a/v1", "http://a/?k=hush"])
def test_secrets_in_addresses_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(CoTGapError, match="OPENAI_API_KEY") as refused:
        parse_address(address)
    assert "hush" not in str(refused.value)


def test_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " hush-123\n")
    assert read_key() == "hush-123"
    monkeypatch.setenv("OPENAI_API_KEY", "")
    assert read_key() is None
    for key in ("hush 1", "hush\n1", "hushé"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(CoTGapError, match="is no key") as refused:
            read_key()
        assert "hush" not in str(refused.value)


def test_a_key_that_a_server_repeats_is_hidden(
    opened: Any, served_tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hush-123")
    with proxy(served_tiny, ["leak"]) as between:
        with pytest.raises(CoTGapError, match=r"Bearer \*\*\*.*OPENAI_API_KEY") as refused:
            opened(between.url)
        assert "hush" not in str(refused.value)
        between.plan = iter(["pass"] * 6 + ["leak"] * 2)
        backend = opened(between.url)
        between.plan = iter(["leak"])
        with pytest.raises(BackendError, match=r"Bearer \*\*\*"):
            backend.complete([one_request(backend)])
        assert "hush" not in str(backend.describe()) + str(backend.circumstances())


def test_mistakes_are_explained(
    opened: Any, served_tiny: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(CoTGapError, match=f"no server answers at {nobody}.*vllm serve"):
        opened(nobody)
    with pytest.raises(CoTGapError, match=r"does not answer for 'other'.*--tokenizer"):
        OpenAIBackend.open(f"{served_tiny}#other")
    with pytest.raises(CoTGapError, match="which model"):
        OpenAIBackend.open(served_tiny)
    with pytest.raises(CoTGapError, match="there is no such folder"):
        opened(served_tiny, tokenizer=tmp_path / "nothing")
    with pytest.raises(CoTGapError, match="has no tokenizer"):
        opened(served_tiny, tokenizer=tmp_path)


def test_another_model_s_tokenizer_is_noticed(
    opened: Any, served_tiny: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    other = AutoTokenizer.from_pretrained(tiny_checkpoint)
    other.add_tokens(["kitchen"])
    other.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((tiny_checkpoint / "config.json").read_bytes())
    with pytest.raises(CoTGapError, match=r"counts .* tokens where the tokenizer .* counts"):
        opened(served_tiny, tokenizer=tmp_path)


def test_the_least_loaded_well_endpoint_is_chosen() -> None:
    servers = Endpoints(["a", "b", "c"])
    a, b, c = servers.all
    a.in_flight, b.in_flight, c.in_flight = 5, 4, 6
    assert servers.choose("game")[0] is b
    b.in_flight = 5 + SLACK - 1
    assert servers.choose("game")[0] is b, "it holds the conversation's prefix"
    assert servers.choose("another")[0] is a
    b.in_flight = 5 + SLACK + 1
    assert servers.choose("game")[0] is a
    servers.leave_alone(a, 10)
    servers.leave_alone(b, 5)
    assert servers.choose("game") == (c, 0.0)
    servers.leave_alone(c, 20)
    chosen, wait = servers.choose("game")
    assert chosen is b
    assert 4 < wait <= 5


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after(None) is None
    assert retry_after("1.5") == 1.5
    assert retry_after("-3") == 0.0
    assert retry_after("soon") is None
    soon = retry_after(formatdate(time.time() + 30, usegmt=True))
    assert soon is not None
    assert 28 < soon <= 30


def test_an_error_of_ours_is_not_taken_for_the_server_s(
    opened: Any, served_tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(served_tiny)

    async def broken(request: Request) -> Completion:
        await asyncio.sleep(0)
        raise ZeroDivisionError("a mistake in our own code")

    monkeypatch.setattr(backend, "_complete", broken)
    backend.submit([one_request(backend)])
    with pytest.raises(ZeroDivisionError):
        backend.collect()
    assert backend.collect() == []
