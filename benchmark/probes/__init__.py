"""Diagnostics at chosen states: one file per probe, each with a `PROBE` object, found by scan."""
