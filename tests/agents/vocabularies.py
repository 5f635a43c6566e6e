"""Tokenizers with the habits of real ones, trained on a few lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

SPECIAL = ["<unk>", "<s>", "</s>"]
LINES = [
    "[INST] You see a mug 1. [/INST] <action>put mug 1 in/on desk 2</action>",
    "Rules.\nBe brief. Reply with your next action. look and take and go to drawer 3",
    "<action>look</action> Nothing happens. You are here.",
]


def _bpe(
    normalizer: Any = None,
    pre_tokenizer: Any = None,
    decoder: Any = None,
    added: Sequence[str] = (),
) -> Any:
    """BPE with bytes to fall back on, as Llama 2's; `added` tokens swallow spaces behind them."""
    from tokenizers import AddedToken, Tokenizer, models, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        min_frequency=1,
        special_tokens=SPECIAL,
        show_progress=False,
        max_token_length=8,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    made = _with_bytes(tokenizer)
    made.add_special_tokens([AddedToken(token, rstrip=True) for token in added])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def _with_bytes(tokenizer: Any) -> Any:
    """The same with a token for each byte; line breaks have no other."""
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    model = state["model"]
    words = [word for word in model["vocab"] if "\n" not in word]
    words += ["\u2581", *(f"<0x{byte:02X}>" for byte in range(256))]
    model["vocab"] = {word: number for number, word in enumerate(dict.fromkeys(words))}
    model["merges"] = [pair for pair in model["merges"] if "\n" not in "".join(pair)]
    return Tokenizer.from_str(json.dumps(state))


def _decoder() -> Any:
    from tokenizers import decoders

    return decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )


def prepend() -> Any:
    """Llama 2 and TinyLlama: a space before each text, whatever it follows."""
    from tokenizers import normalizers

    return _bpe(
        normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]),
        decoder=_decoder(),
    )


def metaspace(scheme: str) -> Any:
    """Mistral and newer conversions of Llama 2."""
    from tokenizers import decoders, pre_tokenizers

    return _bpe(
        pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False),
        decoder=decoders.Sequence(
            [
                decoders.ByteFallback(),
                decoders.Metaspace(prepend_scheme=scheme, split=False),
            ]
        ),
    )


def greedy_specials() -> Any:
    """Phi 3: special tokens swallow the white space behind them."""
    from tokenizers import normalizers

    return _bpe(
        normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]),
        decoder=_decoder(),
        added=["<|user|>", "<|assistant|>", "<|system|>", "<|end|>"],
    )


def byte_level(prefix: bool) -> Any:
    """GPT 2, and RoBERTa's with a space before each text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def lower_case() -> Any:
    """A tokenizer that forgets capitals."""
    from tokenizers import normalizers

    made = byte_level(False)
    made.backend_tokenizer.normalizer = normalizers.Lowercase()
    return made


def word_piece() -> Any:
    """BERT's: no white space is kept at all."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


KEEPING: dict[str, Callable[[], Any]] = {
    "prepend": prepend,
    "metaspace always": lambda: metaspace("always"),
    "metaspace first": lambda: metaspace("first"),
    "metaspace never": lambda: metaspace("never"),
    "greedy specials": greedy_specials,
    "byte level": lambda: byte_level(False),
    "byte level with a prefix": lambda: byte_level(True),
}

LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}"
    "{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
    "{% for message in loop_messages %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}"
    "{% endif %}{% endfor %}"
)
TIGHT = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}\n\n"
    "{% elif m.role == 'user' %}[INST]{{ m.content }}[/INST]"
    "{% else %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
PHI3 = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] "
    "+ '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
SPOKEN = {"llama 2": LLAMA2, "tight": TIGHT, "phi 3": PHI3}
