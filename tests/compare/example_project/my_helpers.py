"""What the agent's function uses."""

ERRORS = 0.0
