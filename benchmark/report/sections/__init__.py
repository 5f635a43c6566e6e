"""The report's pages: one file each, found by scan. `sections()` lists them."""
