"""Language-model agents: modes of decoding over interchangeable backends."""
