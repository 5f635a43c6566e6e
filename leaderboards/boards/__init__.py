"""Boards: one file each, found by scan. `boards()` lists them."""
