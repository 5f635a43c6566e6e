"""Regression tests of agents with pytest: `agent_gate` and `agent_speed`.

    def test_no_worse(agent_gate):
        agent_gate("my/ckpt", baseline="runs/main", panel="alfworld/valid_seen", margin=3)

Loaded at the start of every pytest run where cotgap is installed, so that it imports nothing but
pytest; all else waits for a test that uses a fixture. See docs/gate.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from cotgap.benchmark.compare.comparison import Comparison

FIXTURES = {"agent_gate", "agent_speed"}
PROPERTY = "cotgap"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--cotgap-runs`."""
    parser.getgroup("cotgap", "regression tests of agents").addoption(
        "--cotgap-runs",
        metavar="DIR",
        help="where agent_gate keeps candidates' runs, so that nothing is played twice "
        "[default: pytest's cache]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, the summary, and the kind of `agent_speed` that can be had."""
    config.addinivalue_line(
        "markers", "cotgap: plays an agent (set on every test with agent_gate or agent_speed)"
    )
    config.pluginmanager.register(_Summary(), "cotgap-summary")
    measured = config.pluginmanager.hasplugin("benchmark")
    config.pluginmanager.register(_Measured() if measured else _Unmeasured(), "cotgap-speed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what plays an agent, before `-m` chooses."""
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("cotgap")


@pytest.fixture
def agent_gate(request: pytest.FixtureRequest) -> AgentGate:
    """Plays a candidate by a baseline's rules, and fails unless it is no worse; see `AgentGate`."""
    return AgentGate(request)


class AgentGate:
    """What the fixture `agent_gate` is."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def __call__(
        self,
        candidate: str | Path,
        *,
        baseline: str | Path,
        margin: float,
        panel: str | Sequence[str] = (),
        gates: str | Sequence[str] = "success",
        cannot_tell: Literal["fail", "skip"] = "fail",
        **options: Any,
    ) -> Comparison:
        """Fail unless the candidate is no worse than the baseline by `margin` percentage points.

        `candidate` is whatever `--agent` takes; `baseline` a run folder, from pytest's rootdir if
        relative. Panels are the baseline's or those in `panel`; its tasks, modes, repeats,
        protocol, sampling and limits are taken over. Finished episodes are kept (`--cotgap-runs`),
        but for a server's model and for code of your own, whose fingerprints do not cover all
        that decides their answers. `gates` are METRIC or METRIC:MODE, as for
        `cotgap compare --gate`. Too few tasks for a verdict fail as well, or skip the
        test with `cannot_tell="skip"`. `options` are those of `cotgap.agents.specs.make_agent`,
        such as `dtype` and `batch_size`. Returns the comparison.
        """
        if cannot_tell not in ("fail", "skip"):
            raise ValueError(f'cannot_tell is "fail" or "skip", not {cannot_tell!r}')
        from cotgap.benchmark import regression
        from cotgap.benchmark.compare.gate import Verdict
        from cotgap.benchmark.compare.words import headline
        from cotgap.envs.core import CoTGapError

        judged, problem = None, ""
        try:
            judged = regression.judge(
                str(candidate),
                self._request.config.rootpath / baseline,
                self._runs(),
                self._scratch(),
                panels=_several(panel),
                margin=margin,
                gates=_several(gates),
                options=options,
            )
        except CoTGapError as error:
            problem = str(error)
        if judged is None:  # said here, so that pytest does not tell of an error within an error
            pytest.fail(f"agent_gate: {problem}", pytrace=False)
        found = judged.comparison
        self._note(found, judged.played)
        if found.verdict is Verdict.CANNOT_TELL and cannot_tell == "skip":
            pytest.skip(headline(found))
        if found.verdict is not Verdict.NO_WORSE:
            pytest.fail(_shown(found), pytrace=False)
        return found

    def _runs(self) -> Path:
        """Where candidates' runs are kept."""
        config = self._request.config
        if chosen := config.getoption("--cotgap-runs"):
            return Path(chosen)
        if (cache := getattr(config, "cache", None)) is not None:
            return Path(cache.mkdir("cotgap"))
        return self._scratch()

    def _scratch(self) -> Path:
        """A new folder, which pytest removes some sessions later."""
        factory: pytest.TempPathFactory = self._request.getfixturevalue("tmp_path_factory")
        return factory.mktemp("cotgap")

    def _note(self, found: Comparison, played: int) -> None:
        """A line for each gate at the end of the session."""
        from cotgap.benchmark.compare.words import sentence

        cost = f"{played} episodes played" if played else "from the cache"
        for gate in found.gates:
            line = f"{found.b.name} on {gate.panel}, {gate.name}: {sentence(gate)} ({cost})"
            self._request.node.user_properties.append((PROPERTY, line))


class _Measured:
    """`agent_speed` with pytest-benchmark."""

    @pytest.fixture
    def agent_speed(self, benchmark: Any) -> Any:
        """Times an agent: `agent_speed(spec, panel=..., mode="prompt", episodes=4, rounds=3)`.

        Plays the panel's first `episodes` tasks once to warm up and `rounds` times for
        pytest-benchmark, whose `extra_info` gets `steps_per_second` and `tokens_per_step` (written
        tokens; warm-up left out). Returns these figures. Further options are those of
        `cotgap.agents.specs.make_agent`.
        """

        def measure(
            agent: str | Path,
            *,
            panel: str = "household/id",
            mode: str = "prompt",
            episodes: int = 4,
            rounds: int = 3,
            **options: Any,
        ) -> dict[str, float]:
            from cotgap.benchmark.regression import pace
            from cotgap.envs.core import CoTGapError

            figures, problem = None, ""
            try:
                with pace(str(agent), panel, mode, episodes, options) as player:
                    player.play()
                    player.forget()
                    benchmark.pedantic(player.play, rounds=rounds)
                figures = player.figures()
            except CoTGapError as error:
                problem = str(error)
            if figures is None:
                pytest.fail(f"agent_speed: {problem}", pytrace=False)
            benchmark.extra_info.update(agent=str(agent), panel=panel, mode=mode, **figures)
            return figures

        return measure


class _Unmeasured:
    """`agent_speed` without it."""

    @pytest.fixture
    def agent_speed(self) -> Any:
        """Says what is missing."""
        pytest.fail("agent_speed needs pytest-benchmark: pip install pytest-benchmark", False)


class _Summary:
    """Every gate's verdict at the end, from the tests' reports (which cross processes)."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a finished test noted."""
        if report.when == "teardown":
            noted = (text for name, text in report.user_properties if name == PROPERTY)
            self._lines += [(report.nodeid, str(text)) for text in noted]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print it, if there is any."""
        if self._lines:
            terminalreporter.section("cotgap")
            for node, line in self._lines:
                terminalreporter.line(f"{node}: {line}")


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _shown(found: Comparison) -> str:
    """The verdict, and the comparison as it is shown on a terminal, without colours."""
    import io

    from rich.console import Console

    from cotgap.benchmark.compare.tables import print_comparison
    from cotgap.benchmark.compare.words import headline

    text = io.StringIO(f"{headline(found)}\n\n")
    text.seek(0, io.SEEK_END)
    print_comparison(found, Console(file=text, width=100, no_color=True))
    return text.getvalue()
