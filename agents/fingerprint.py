"""What decides a model's answers, as one SHA-256.

Files are read whole at every start and the result is not cached: at 1 to 2 GB/s hashing costs
about what loading the weights does, and a fingerprint from a cache keyed by size and time would
vouch for files it has not seen. Checkpoints are opened through `covered`, which shows a library
nothing but these files, so that what is loaded is what was fingerprinted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

# What a checkpoint folder's answers depend on: weights, tokenizer, template, and the
# configuration that says how they are used. Cards, readmes and training leftovers are not in it.
TOKENIZER_PATTERNS = (
    "tokenizer*",
    "*.model",
    "*.spm",
    "*.tiktoken",
    "tekken.json",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "additional_chat_templates/*.jinja",
)
INDEX = "*.safetensors.index.json"  # names the file that each tensor is in
PATTERNS = (
    "*.safetensors",
    INDEX,
    "config.json",
    "adapter_config.json",
    "generation_config.json",
    *TOKENIZER_PATTERNS,
)
CHUNK = 1 << 22


def fingerprint(path: Path, patterns: Sequence[str] = PATTERNS) -> str:
    """SHA-256 (hex) of a checkpoint.

    Of a file (GGUF holds everything), it is the file's own digest, as `sha256sum` prints it; of a
    folder, the digest over the names and digests of its files that match `patterns` or that an
    index among them names, sorted.
    """
    if path.is_file():
        return _digest(path)
    lines = [f"{_digest(path / name)}  {name}\n" for name in names(path, patterns)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def both(base: str, adapter: str) -> str:
    """SHA-256 (hex) of base and adapter together."""
    return hashlib.sha256(f"{base}  base\n{adapter}  adapter\n".encode()).hexdigest()


def names(folder: Path, patterns: Sequence[str] = PATTERNS) -> list[str]:
    """The files that the fingerprint covers, relative to their folder and within it, sorted."""
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    for path in [path for path in found if path.match(INDEX)]:
        found |= {folder / name for name in indexed(path).values() if ".." not in Path(name).parts}
    inside = [path for path in found if path.is_file() and path.is_relative_to(folder)]
    return sorted(path.relative_to(folder).as_posix() for path in inside)


def indexed(path: Path) -> dict[str, str]:
    """The file that an index names for each tensor; empty for an index that cannot be read."""
    try:
        weights = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        return {str(tensor): str(name) for tensor, name in weights.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


@contextlib.contextmanager
def covered(path: Path, patterns: Sequence[str] = PATTERNS) -> Iterator[Path]:
    """A folder of links to what a fingerprint covers, of a folder or a single file."""
    with tempfile.TemporaryDirectory(prefix="cotgap-") as scratch:
        view = Path(scratch)
        folder, shown = (path.parent, [path.name]) if path.is_file() else (path, None)
        for name in names(folder, patterns) if shown is None else shown:
            link = view / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((folder / name).resolve())
        yield view


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
