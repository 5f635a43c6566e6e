"""BFCL against the package's own harness, and the list of its tasks."""
