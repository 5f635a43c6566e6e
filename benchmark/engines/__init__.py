"""Where episodes run: one file each."""
