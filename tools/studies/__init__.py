"""Experiments that train and measure, each one script with one command."""
