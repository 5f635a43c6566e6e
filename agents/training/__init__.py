"""Supervised training on expert episodes, with a mask over actions. Needs the extra `train`."""
