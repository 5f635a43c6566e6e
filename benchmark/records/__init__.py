"""What is kept of a run: episodes, the resolved configuration, the folder they lie in."""
