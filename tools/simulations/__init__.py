"""Simulations that check what the statistics promise."""
