"""What `cotgap data` and `cotgap train` do, one file each."""
