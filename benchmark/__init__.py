"""Measuring: run agents on panels, keep records, compute metrics."""
