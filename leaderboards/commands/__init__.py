"""What each command of `python -m leaderboards` does, one file each."""
