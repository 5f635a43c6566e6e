"""Gymnasium text environments: suites of tasks with fixed, locked panels."""
