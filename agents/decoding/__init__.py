"""Decoding with a local model: opening checkpoints, caches, batches, sampling."""
