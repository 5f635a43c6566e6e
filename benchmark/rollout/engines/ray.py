"""Jobs on a Ray cluster: each worker is an actor with an agent of its own.

A worker plays by the very code of the local engine. This process alone deals out the jobs and
takes the results, and needs neither a model nor a GPU. What a lost worker or node had in flight is
played again by the others.
"""

from __future__ import annotations

import math
import os
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from cotgap.agents.agent import Agent, AgentCard
from cotgap.agents.specs import names
from cotgap.benchmark.records.config import differences
from cotgap.benchmark.records.episode import Status
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.engines.core import AgentRecipe, J, Job, Order, Placement, R, Result
from cotgap.benchmark.rollout.engines.local import scheduler_for
from cotgap.benchmark.rollout.needs import Failure, Rollout
from cotgap.benchmark.rollout.scheduler import Scheduler, Times
from cotgap.benchmark.rollout.workers import processors
from cotgap.envs.core import CoTGapError

INSTALL = "pip install 'cotgap[ray]'"
PATIENCE = 5.0  # seconds without an answer after which the nodes are looked at
TRIES = 3  # how many workers an episode may cost, and how many may be lost without any that ends
GIVEN_UP = Failure(
    Status.BACKEND_ERROR, f"{TRIES} Ray workers were lost while they played this episode"
)


@dataclass(frozen=True)
class Mistake:
    """A `CoTGapError` on its way from a worker."""

    text: str


@dataclass(frozen=True)
class Report:
    """What a worker has to say: a job that ended, and what was done since its last report."""

    result: Result
    steps: int
    read: int
    """Tokens, over all steps; so is `written`."""
    written: int
    times: Times


class Worker:
    """What runs in an actor. Every method returns a `Mistake` instead of raising `CoTGapError`."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._steps = 0

    def open(self, recipe: AgentRecipe) -> AgentCard | Mistake:
        """Make the agent."""
        try:
            self._agent: Agent = recipe.make()
        except CoTGapError as error:
            return Mistake(str(error))
        return self._agent.card()

    def prepare(self, order: Order[Any, Any]) -> None:
        """Get ready to play an order's jobs; this worker counts, and keeps no budget of its own."""
        # Never spent, but minds agents that do not say what they use.
        self._used = Budget(sys.maxsize if order.budget.limited else None)
        order = replace(order, budget=self._used)
        self._rules = order.rules
        self._scheduler: Scheduler[Any] = scheduler_for(self._agent, order, self._count)
        self._playing = self._scheduler.serve(self._take)

    def advance(self, jobs: Sequence[Job]) -> Report | Mistake:
        """Take these jobs, too, and play until a job ends. There must be one in flight."""
        self._waiting.extend(jobs)
        try:
            result = next(self._playing)
        except CoTGapError as error:
            return Mistake(str(error))
        used, times = self._used, self._scheduler.times
        report = Report(result, self._steps, used.read, used.written, replace(times))
        self._steps, used.read, used.written = 0, 0, 0
        times.model, times.environments = 0.0, 0.0
        return report

    def _take(self) -> Rollout[Any] | None:
        return self._rules.rollout(self._waiting.popleft(), self._agent) if self._waiting else None

    def _count(self) -> None:
        self._steps += 1


@dataclass(eq=False)
class _Hired:
    """A worker as this process sees it; `flying` are the jobs it has and has not reported on."""

    actor: Any
    flying: dict[Any, Job] = field(default_factory=dict)
    ready: bool = False
    """Whether its agent is made."""


class RaySite:
    """Agents on a Ray cluster.

    `placement.address` is the cluster's (None: `$RAY_ADDRESS`, or one on this machine that ends
    with this process). Each of `placement.workers` takes as many CPUs of the cluster as its agent
    has threads, or one, and `placement.gpus_per_worker` GPUs: by default one, where the cluster has
    any and the agent may use it. By default there are as many workers as the GPUs suffice for, or
    else as there are nodes. The code, and a checkpoint, must be at the same path on every node.
    """

    def __init__(self, recipe: AgentRecipe, placement: Placement) -> None:
        self._ray = _import_ray()
        self._recipe = replace(recipe, spec=_absolute(recipe.spec))
        self.times = Times()
        self._began = not self._ray.is_initialized()
        if self._began:
            _connect(self._ray, placement, _cpus(recipe))
        try:
            self._needs = self._needs_of(placement)
            self.workers = placement.workers or self._default_workers()
            self._hired: list[_Hired] = []
            self._calls: dict[Any, _Hired] = {}
            """What was asked of whom and is not answered yet."""
            self._lost: Counter[Any] = Counter()
            self._lost_in_a_row = 0
            for _ in range(self.workers):
                self._hire()
            self.card: AgentCard = self._first_card()
        except BaseException:
            self.close()
            raise

    def play(
        self, order: Order[J, R], jobs: Sequence[J], on_step: Callable[[], None]
    ) -> Iterator[R]:
        """See `Site.play`. The budget is counted whenever a job ends."""
        waiting = deque(jobs)
        for worker in self._hired:
            if worker.ready:
                self._prepare(worker, order)
        while (waiting or any(w.flying for w in self._hired)) and not order.budget.spent:
            self._deal(waiting, order.width)
            worker, answer = self._answer()
            if answer is None:
                for job in self._replace(worker, waiting):
                    yield order.rules.lost(job, self.card, GIVEN_UP)
            elif isinstance(answer, AgentCard):
                self._check(answer)
                self._prepare(worker, order)
            else:
                self._lost_in_a_row = 0
                self.times += answer.times
                for _ in range(answer.steps):
                    on_step()
                order.budget.read += answer.read
                order.budget.written += answer.written
                del worker.flying[answer.result.id]
                yield cast(R, answer.result)

    def close(self) -> None:
        """End all workers, and the cluster if it was begun here."""
        for worker in getattr(self, "_hired", ()):
            self._ray.kill(worker.actor)
        if self._began:
            self._ray.shutdown()

    def _hire(self) -> None:
        actor = self._ray.remote(**self._needs, scheduling_strategy="SPREAD")(Worker)
        worker = _Hired(actor.remote())
        self._hired.append(worker)
        self._calls[worker.actor.open.remote(self._recipe)] = worker

    def _first_card(self) -> AgentCard:
        """The card of the first agent that is made."""
        while True:
            worker, answer = self._answer()
            if isinstance(answer, AgentCard):
                worker.ready = True
                return answer
            self._replace(worker, deque())

    def _prepare(self, worker: _Hired, order: Order[Any, Any]) -> None:
        worker.actor.prepare.remote(order)
        worker.ready = True

    def _deal(self, waiting: deque[J], width: int) -> None:
        """Give jobs to workers that are not at work, the last ones to all alike."""
        free = [w for w in self._hired if w.ready and w not in self._calls.values()]
        share = math.ceil(len(waiting) / max(1, len(self._hired)))
        for worker in free:
            jobs = self._hand(worker, waiting, min(width - len(worker.flying), share))
            worker.flying |= {job.id: job for job in jobs}
            if worker.flying:
                self._calls[worker.actor.advance.remote(jobs)] = worker

    def _hand(self, worker: _Hired, waiting: deque[J], most: int) -> list[J]:
        """The next jobs; one that may be what ends workers is played alone, to spare the others."""
        suspects = {id_ for id_, times in self._lost.items() if times == TRIES - 1}
        jobs: list[J] = []
        while waiting and len(jobs) < most and suspects.isdisjoint(worker.flying):
            if waiting[0].id in suspects:
                if not worker.flying and not jobs:
                    jobs.append(waiting.popleft())
                break
            jobs.append(waiting.popleft())
        return jobs

    def _answer(self) -> tuple[_Hired, AgentCard | Report | None]:
        """Wait for an answer of any worker; None where that worker is lost."""
        while not (ready := self._ray.wait(list(self._calls), num_returns=1, timeout=PATIENCE)[0]):
            self._check_nodes()
        (call,) = ready
        worker = self._calls.pop(call)
        try:
            answer: AgentCard | Report | Mistake = self._ray.get(call)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError:
            return worker, None
        if isinstance(answer, Mistake):
            raise CoTGapError(answer.text)
        return worker, answer

    def _replace(self, lost: _Hired, waiting: deque[J]) -> list[J]:
        """Hire another worker for a lost one, and have its jobs played again.

        Returns those that have cost too many workers.
        """
        self._ray.kill(lost.actor)
        self._hired.remove(lost)
        self._lost_in_a_row += 1
        if self._lost_in_a_row > TRIES * self.workers:
            raise CoTGapError(
                f"{self._lost_in_a_row} Ray workers were lost one after another, and no episode "
                "ended meanwhile. Memory may be short: try fewer --workers or a smaller "
                "--batch-size. Episodes written so far are safe: the same command goes on."
            )
        self._lost.update(lost.flying.keys())
        flying = cast(list[J], list(lost.flying.values()))
        waiting.extendleft(reversed([job for job in flying if self._lost[job.id] < TRIES]))
        self._hire()
        return [job for job in flying if self._lost[job.id] >= TRIES]

    def _check(self, card: AgentCard) -> None:
        """Raise `CoTGapError` where an agent is another one than the first."""
        if other := differences(self.card.description, card.description):
            raise CoTGapError(
                "the agent is not the same on all nodes of the Ray cluster:\n  "
                + "\n  ".join(other)
                + "\nGive --dtype and --device, and the same files to every node."
            )

    def _check_nodes(self) -> None:
        """Raise `CoTGapError` where no node is left that could give an answer."""
        if not self._nodes_for(self._needs["num_cpus"], self._needs["num_gpus"]):
            raise CoTGapError(
                "no node of the Ray cluster is left that a worker fits on. What was written so far "
                "is safe: start nodes and run the same command again"
            )

    def _nodes_for(self, cpus: float, gpus: float) -> list[dict[str, float]]:
        """What the live nodes have that a worker fits on."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return [n for n in nodes if n.get("CPU", 0) >= cpus and n.get("GPU", 0) >= gpus]

    def _needs_of(self, placement: Placement) -> dict[str, float]:
        """What a worker takes; raises `CoTGapError` where no node of the cluster has that."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        gpus = placement.gpus_per_worker
        if gpus is None:
            there = any(node.get("GPU", 0) for node in nodes)
            gpus = float(there and self._recipe.options.get("device") != "cpu")
        cpus = _cpus(self._recipe)
        if not self._nodes_for(cpus, gpus):
            raise CoTGapError(
                f"no node of the Ray cluster has {cpus} CPUs and {gpus:g} GPUs for a worker. "
                "Give fewer --threads or --gpus-per-worker"
            )
        return {"num_cpus": cpus, "num_gpus": gpus}

    def _default_workers(self) -> int:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if gpus := self._needs["num_gpus"]:
            return sum(int(node.get("GPU", 0) / gpus) for node in nodes)
        return len(nodes)


SITE = RaySite


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise CoTGapError(f"ray is not installed ({error}). To fix it: {INSTALL}") from error
    return ray


def _connect(ray: Any, placement: Placement, cpus: int) -> None:
    """Join the cluster, or begin one that has room for all workers."""
    address = placement.address or os.environ.get("RAY_ADDRESS")
    alone: dict[str, Any] = {
        "num_cpus": max(processors(), cpus * (placement.workers or 1)),
        "include_dashboard": False,
    }
    options = {} if address else alone
    ours = signal.getsignal(signal.SIGTERM)  # which Ray replaces by one that exits at once
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **options)
        if signal.getsignal(signal.SIGTERM) is not ours:
            signal.signal(signal.SIGTERM, ours)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise CoTGapError(
            f"cannot join the Ray cluster at {address or 'this machine'}: {error}. Give the "
            "--ray-address that `ray start --head` prints, or none to play on this machine alone"
        ) from error


def _absolute(spec: str) -> str:
    """A checkpoint's path as other processes can use it; other specs are left as they are."""
    path = Path(spec).expanduser()
    return str(path.absolute()) if spec not in names() and os.path.exists(path) else spec


def _cpus(recipe: AgentRecipe) -> int:
    """CPUs that a worker is said to take; Ray gives its numerical libraries as many threads."""
    return int(recipe.options.get("threads") or 1)
