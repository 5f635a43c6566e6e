"""Times the local backend's decoding beside other ways of decoding.

All ways answer the same requests: both modes at each state of real games, in prompts that grow. The
games are played by a noisy expert, so that the requests do not depend on the replies. Each game is
played twice, as `--mode both` does: driven by one mode, then by the other with the first one as a
shadow. The ratios compare this process's processor time, which other work on the machine hardly
changes; a server's ratio compares wall time. The ideal is the time of computing every distinct
token once, at the rate of a long forward pass.
"""
