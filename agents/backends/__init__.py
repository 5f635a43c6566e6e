"""What answers requests: one file per backend."""
