"""Regression tests of an agent, a few lines each."""


def test_refactored_is_no_worse(agent_gate, baseline):
    agent_gate("my_agent:refactored", baseline=baseline, panel="toy/id", margin=10)


def test_function_is_no_worse(agent_gate, baseline):
    agent_gate("my_agent:function", baseline=baseline, margin=10, gates=["success:cot"])


def test_broken_is_caught(agent_gate, baseline):
    agent_gate("my_agent:broken", baseline=baseline, margin=10)


def test_too_few_tasks_for_this_margin(agent_gate, baseline):
    agent_gate("my_agent:refactored", baseline=baseline, margin=1)


def test_too_few_tasks_but_go_on(agent_gate, baseline):
    agent_gate("my_agent:refactored", baseline=baseline, margin=1, cannot_tell="skip")


def test_speed(agent_speed):
    figures = agent_speed("my_agent:released", panel="toy/id", episodes=3)
    assert figures["steps_per_second"] > 1
