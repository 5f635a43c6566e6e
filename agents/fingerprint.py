"""What decides a model's answers, as one SHA-256.

Files are read whole at every start and the result is not cached: at 1 to 2 GB/s hashing costs
about what loading the weights does, and a fingerprint from a cache keyed by size and time would
vouch for files it has not seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

# What a checkpoint folder's answers depend on: weights, tokenizer, template, and the
# configuration that says how they are used. Cards, readmes and training leftovers are not in it.
TOKENIZER_PATTERNS = (
    "tokenizer*",
    "*.model",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
)
PATTERNS = (
    "*.safetensors",
    "config.json",
    "adapter_config.json",
    "generation_config.json",
    *TOKENIZER_PATTERNS,
)
CHUNK = 1 << 22


def fingerprint(path: Path, patterns: Sequence[str] = PATTERNS) -> str:
    """SHA-256 (hex) of a checkpoint.

    Of a file (GGUF holds everything), it is the file's own digest, as `sha256sum` prints it; of a
    folder, the digest over the names and digests of its files that match `patterns`, sorted.
    """
    if path.is_file():
        return _digest(path)
    files = {found for pattern in patterns for found in path.glob(pattern) if found.is_file()}
    lines = [f"{_digest(file)}  {file.name}\n" for file in sorted(files, key=lambda f: f.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
