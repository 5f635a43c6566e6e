"""A small vocabulary of its own for a model trained from nothing: whole words, whole numbers.

Byte-level BPE, so that any text can be written and read back. The merges are learned on words
alone, each counted alike once it is frequent enough, so that names (" mug", " countertop") and
numbers become one token each: a model this small should compare things, not spell them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

from cotgap.agents.core import DEFAULT_TAGS
from cotgap.envs.core import CoTGapError

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# What joins the items of a list, a word or a whole number with the space before it, marks, white
# space. (Lists are most of what a text environment says; joined, an item is three tokens.)
PATTERN = r", (?:and )?an?\b| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+"
NUMBERS = range(41)
ROLES = ("system", "user", "assistant")  # of every turn, though in no text
MOST = 2048


def train_tokenizer(texts: Iterable[str], size: int = MOST) -> Any:
    """A tokenizer (of transformers, with a chat template) of at most `size` tokens.

    Tags are single tokens, and not special ones: they are text of the reply. Raises `CoTGapError`
    for a size that not even the bytes and tags fit in.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special, tags = [END, START, STOP], list(astuple(DEFAULT_TAGS))
    least = 256 + len(special) + len(tags)
    if size < least:
        raise CoTGapError(f"a vocabulary of {size} is too small: bytes and tags take {least}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(tags),
        min_frequency=1,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_words(texts), trainer)
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in tags])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=STOP,
        pad_token=END,
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def _words(texts: Iterable[str]) -> Iterable[str]:
    """Words to learn merges from; a common word counts little more than a rare one."""
    counts = Counter(word for text in texts for word in re.findall(PATTERN, text))
    counts.update([*ROLES, *(f" {number}" for number in NUMBERS)])
    for word, count in counts.items():
        yield from [word] * min(count, 4)
