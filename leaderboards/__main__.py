"""`python -m leaderboards` in a clone is `cotgap`; it also takes `build` and `serve` at once."""

from cotgap.cli import main

if __name__ == "__main__":
    main(unfold="board")
