"""Playing episodes: one episode, environment workers, the runner and the engines."""
