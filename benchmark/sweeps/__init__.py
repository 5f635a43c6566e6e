"""A series of checkpoints, measured alike: the paper's questions, answered by trends."""
