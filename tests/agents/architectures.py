"""Tiny models with random weights, of as many architectures as the local backend should know."""

from __future__ import annotations

from typing import Any

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 1024,
    # Large enough that random models say more than one thing.
    "initializer_range": 0.4,
    # Tied, a random model says its last token again.
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "pad_token_id": None,
}
PLAIN = {name: value for name, value in SIZES.items() if name != "head_dim"}
WINDOW = {"sliding_window": 16}
LAYERS = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
GPT2 = {
    **{name: SIZES[name] for name in ("initializer_range", "tie_word_embeddings", "bos_token_id")},
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
}
MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}

SERVED: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", SIZES),
    "qwen2": ("qwen2", PLAIN),
    "qwen2 with windows": ("qwen2", {**PLAIN, **WINDOW, **LAYERS, "use_sliding_window": True}),
    "qwen3": ("qwen3", SIZES),
    "qwen3_moe": ("qwen3_moe", {**SIZES, **MOE}),
    "mistral": ("mistral", {**SIZES, **WINDOW}),
    "gemma3_text": ("gemma3_text", {**SIZES, **WINDOW, **LAYERS, "query_pre_attn_scalar": 8}),
    "gpt2": ("gpt2", GPT2),
    "gpt_neox": ("gpt_neox", {**PLAIN, "rotary_pct": 0.5}),
    "phi3": ("phi3", {**PLAIN, **WINDOW}),
    "olmo2": ("olmo2", PLAIN),
    "smollm3": ("smollm3", {**PLAIN, **WINDOW, **LAYERS, "use_sliding_window": True}),
    "gpt_oss": (
        "gpt_oss",
        {**SIZES, **WINDOW, **LAYERS, "num_local_experts": 4, "num_experts_per_tok": 2},
    ),
}
# State that is more than keys and values, or positions that depend on a batch's longest row.
UNSERVED: dict[str, tuple[str, dict[str, Any]]] = {
    "lfm2": ("lfm2", {**PLAIN, "layer_types": ["conv", "full_attention", "conv"]}),
    "qwen3_next": (
        "qwen3_next",
        {
            **SIZES,
            **MOE,
            "shared_expert_intermediate_size": 24,
            "layer_types": ["linear_attention", "full_attention", "linear_attention"],
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
    ),
    "dynamic rotary": (
        "llama",
        {**SIZES, "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
    ),
}


# Windows beyond a few tokens, values of another size than keys, positions in odd places: what only
# long rows of unlike length tell apart. With each, how it is to be decoded.
LONG = {"max_position_embeddings": 1024, "sliding_window": 256}
MLA = {
    **{name: value for name, value in PLAIN.items() if name != "num_key_value_heads"},
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0] * 4,
    "long_factor": [3.0] * 4,
    "original_max_position_embeddings": 512,
}
TRICKY: dict[str, tuple[str, dict[str, Any], str]] = {
    "gpt_neo": (
        "gpt_neo",
        {
            **{
                name: GPT2[name]
                for name in ("initializer_range", "tie_word_embeddings", "bos_token_id")
            },
            "hidden_size": 32,
            "num_layers": 4,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 2]],
            "window_size": 256,
            "max_position_embeddings": 1024,
        },
        "batches",
    ),
    "deepseek_v2": ("deepseek_v2", {**MLA, "head_dim": 8}, "slots"),
    "deepseek_v3": ("deepseek_v3", {**MLA, "head_dim": 8}, "slots"),
    "mistral": ("mistral", {**SIZES, **LONG}, "slots"),
    "gemma2": (
        "gemma2",
        {**SIZES, **LONG, **LAYERS, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 5.0},
        "slots",
    ),
    "gemma3_text": (
        "gemma3_text",
        {**SIZES, **LONG, **LAYERS, "query_pre_attn_scalar": 8},
        "slots",
    ),
    "gpt_oss": (
        "gpt_oss",
        {**SIZES, **LONG, **LAYERS, "num_local_experts": 4, "num_experts_per_tok": 2},
        "slots",
    ),
    "llama4_text": (
        "llama4_text",
        {**SIZES, **MOE, "num_local_experts": 4, "attention_chunk_size": 128},
        "batches",
    ),
    "bloom": (
        "bloom",
        {"hidden_size": 32, "n_layer": 3, "n_head": 4, "initializer_range": 0.4},
        "batches",
    ),
    "mpt": (
        "mpt",
        {"d_model": 32, "n_layers": 3, "n_heads": 4, "max_seq_len": 1024, "initializer_range": 0.4},
        "slots",
    ),
    "falcon with alibi": (
        "falcon",
        {
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "alibi": True,
            "initializer_range": 0.4,
        },
        "batches",
    ),
    "longrope": (
        "phi3",
        {**PLAIN, "original_max_position_embeddings": 512, "rope_parameters": LONGROPE},
        "single rows",
    ),
    "yarn": (
        "llama",
        {
            **SIZES,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 1e4,
                "factor": 4.0,
                "original_max_position_embeddings": 256,
            },
        },
        "slots",
    ),
    "mamba": (
        "mamba",
        {"hidden_size": 32, "num_hidden_layers": 3, "state_size": 8, "initializer_range": 0.4},
        "batches",
    ),
    "rwkv": (
        "rwkv",
        {"hidden_size": 32, "num_hidden_layers": 3, "attention_hidden_size": 32},
        "single rows",
    ),
    "recurrent_gemma": (
        "recurrent_gemma",
        {**SIZES, "lru_width": 32, "attention_window_size": 64},
        "single rows",
    ),
    "opt": (
        "opt",
        {
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "ffn_dim": 48,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "max_position_embeddings": 1024,
            "init_std": 0.4,
        },
        "slots",
    ),
}


def random_model(kind: str, sizes: dict[str, Any], vocabulary: int, end: int) -> Any:
    """A model in eval mode, float32; `end` is its end-of-text token."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(kind, vocab_size=vocabulary, eos_token_id=end, **sizes)
    torch.manual_seed(1)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
