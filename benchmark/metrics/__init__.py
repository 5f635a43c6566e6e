"""Metrics: one file each, found by scan. `metrics()` lists them, `summarise` applies them all."""
