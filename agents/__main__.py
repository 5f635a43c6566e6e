"""`python -m agents` in a clone is the command `cotgap`."""

from cotgap.cli import main

if __name__ == "__main__":
    main()
