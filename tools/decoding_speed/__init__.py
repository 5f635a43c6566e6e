"""Decoding against simpler and other ways.

All ways answer the same requests: both modes at each state of real games, in prompts that grow. An
expert with some noise plays, so that no way can change what is asked. Each game is played twice
(driven by one mode, then by the other with the first one as a shadow), as `--mode both` does.
Ratios of ways in this process are of its processor time, so that other work on the machine counts
as little as it can; a server's is of wall time. The ideal is every distinct token once, at the
rate of a long forward pass.
"""
