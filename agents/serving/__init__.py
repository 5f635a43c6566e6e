"""A client of OpenAI-compatible servers: what they take, how they fail, where requests go."""
