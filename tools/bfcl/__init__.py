"""Compare BFCL with the package's own harness, and rewrite the list of its tasks."""
