"""The household suite: its engine against the stock one, and its tables and panels."""
