"""Boards of verified submissions: who enters, what is replayed, how ranks are shown."""
