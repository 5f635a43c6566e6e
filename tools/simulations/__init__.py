"""Simulations of what the statistics promise, with as many draws as one likes."""
