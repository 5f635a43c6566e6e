"""Chat templates with the habits of real ones, and a checkpoint small enough for every test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PLAIN = (
    "\n{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Drops the reasoning of replies before the last user turn, gives the replies after it a think
# block whether or not they have one, and puts a closed one into the generation prompt when
# thinking is off.
QWEN3 = """\
{%- set ns = namespace(last=-1) -%}
{%- for m in messages -%}
{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for m in messages -%}
{%- set text = m.content -%}
{%- set thought = '' -%}
{%- if m.role == 'assistant' and '</think>' in text -%}
{%- set thought = text.split('</think>')[0].split('<think>')[-1].strip('\n') -%}
{%- set text = text.split('</think>')[-1].lstrip('\n') -%}
{%- endif -%}
{{- '<|im_start|>' + m.role + '\n' -}}
{%- if m.role == 'assistant' and loop.index0 > ns.last -%}
{{- '<think>\n' + thought + '\n</think>\n\n' -}}
{%- endif -%}
{{- text + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\n' -}}
{%- if enable_thinking is defined and not enable_thinking -%}
{{- '<think>\n\n</think>\n\n' -}}
{%- endif -%}
{%- endif -%}"""

QWEN3_THINKING_OFF = "{%- set enable_thinking = false -%}\n" + QWEN3

# Opens the reasoning itself and cuts that of earlier replies.
OPENS_THINK = (
    "<|endoftext|>{% for m in messages %}"
    "{% if m.role == 'system' %}{{ m.content }}"
    "{% elif m.role == 'user' %}<|User|>{{ m.content }}"
    "{% else %}<|Assistant|>{{ m.content.split('</think>')[-1] }}<|im_end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}"
)

# Every earlier reply gets an empty think block in front.
EMPTY_THINK = (
    "{% for m in messages %}"
    "{% if m.role == 'assistant' %}<|Assistant|>\n<think></think>\n{{ m.content }}"
    "{% else %}<|{{ m.role }}|>\n{{ m.content }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|Assistant|>{% endif %}"
)

# Refuses the system role, and trims.
NO_SYSTEM = (
    "<|endoftext|>{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('no system role here') }}{% endif %}"
    "<|im_start|>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>model\n{% endif %}"
)

# Shows the system message in front of the last user turn only.
SYSTEM_LAST = (
    "{% for m in messages %}{% if m.role == 'user' %}[INST] "
    "{% if loop.last and messages[0].role == 'system' %}{{ messages[0].content + '\n\n' }}"
    "{% endif %}{{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }}<|im_end|>{% endif %}{% endfor %}"
)

DATED = (
    "<|im_start|>system\nToday is {{ strftime_now('%d %b %Y') }}, or {{ date_string }}.\n\n"
    "{{ messages[0].content | trim }}<|im_end|>\n{% for m in messages[1:] %}"
    "<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

SYSTEM_DROPPED = (
    "{% for m in messages if m.role != 'system' %}<|{{ m.role }}|>{{ m.content }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

ALL = {
    "plain": PLAIN,
    "qwen3": QWEN3,
    "qwen3 thinking off": QWEN3_THINKING_OFF,
    "opens think": OPENS_THINK,
    "empty think": EMPTY_THINK,
    "no system": NO_SYSTEM,
    "system last": SYSTEM_LAST,
    "system dropped": SYSTEM_DROPPED,
    "dated": DATED,
}

_CORPUS = [
    "You are in the middle of a room. Looking quickly around you, you see a desk 1, a bed 2.",
    "<action>put mug 1 in/on desk 2</action>\n<action>go to drawer 3</action>\n\n",
    "<action>take key</action>\n",
    "I have not seen the mug yet, so I look in a new room. So I go east.",
    "Your task is to: put some mug on desk. Nothing happens. Reply with an action.",
]


def save_checkpoint(folder: Path, template: str = QWEN3, *, seed: int = 0) -> None:
    """A Qwen3 of two tiny layers with random weights, its tokenizer, and a template."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = train_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=4096,
        initializer_range=0.4,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        bos_token_id=None,
        pad_token_id=None,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)


def train_tokenizer() -> Any:
    """Byte-level BPE in which, as in Qwen's, `>` and a line break after it may be one token."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    pattern = Regex(r" ?[^\s\p{L}\p{N}]+[\r\n]*| ?\p{L}+|\p{N}|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        min_frequency=1,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    tokenizer.add_tokens([AddedToken(tag, special=False) for tag in ("<think>", "</think>")])
    # The end-of-text token, not the end-of-turn one, is `eos`: backends must know both.
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
