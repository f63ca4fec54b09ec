"""The attention variants under names that Hugging Face models understand.

After `register()`, `model.set_attn_implementation("power_softmax")` switches any model that uses the attention
interface. `from_pretrained(..., attn_implementation="power_softmax")` loads a model with this attention.

A term of the scores that a replacement does not know is refused at the first forward pass, with the term's name: a relative bias, a
soft cap, sinks, chosen blocks of keys, packed texts. A mask may be None, booleans, or 0 and large negative numbers.
"""

import torch
from torch import nn

from .attention import (
    gaussian_kernel,
    length_agnostic_power_softmax,
    power_softmax,
    scaled_sigma,
    stable_power_softmax,
)

SCORES = {
    "power_softmax": stable_power_softmax,  # the training form is what a user who switches a checkpoint wants
    "power_softmax_lipschitz": power_softmax,
    "power_softmax_length_agnostic": length_agnostic_power_softmax,
    "scaled_sigma": scaled_sigma,
}
NAMES = (*SCORES, "gaussian_kernel")

# Arguments that change no score of a head: the library's own functions for eager attention read none of them.
HARMLESS = frozenset(
    "sliding_window output_attentions output_hidden_states output_router_logits position_ids position_embeddings cache_position"
    " use_cache return_dict deterministic num_items_in_batch logits_to_keep labels token_type_ids mm_token_type_ids".split()
)
# Terms that change scores or weights, with what they are.
REFUSED = {
    "position_bias": "a relative bias",
    "softcap": "a soft cap of the scores",
    "s_aux": "attention sinks",
    "sinks": "attention sinks",
    "indices": "chosen keys",
    "block_indices": "chosen blocks of keys",
    "cu_seq_lens_q": "several texts in one row",
    "cu_seq_lens_k": "several texts in one row",
    "max_length_q": "several texts in one row",
    "max_length_k": "several texts in one row",
}
HIDDEN = -1e4  # a mask's number from here down hides a key; BERT's older masks have exactly this number


def register():
    """Registers every name of NAMES, with masks made as for the eager implementation. Calling it twice is harmless."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    for name in NAMES:
        AttentionInterface.register(name, _implementation(name))
        AttentionMaskInterface.register(name, eager_mask)


def _implementation(name):
    def attend(module, query, key, value, attention_mask=None, scaling=None, dropout=0.0, is_causal=None, **others):
        _refuse(name, module, others)
        groups = query.shape[1] // key.shape[1]  # grouped queries: each key head serves several
        if groups > 1:
            key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        mask = _multiplicative(name, attention_mask, query, key, is_causal)
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        if name == "gaussian_kernel":
            factor = (scale * query.shape[-1] ** 0.5) ** 0.5  # the kernel divides distances by 2 sqrt d
            weights = gaussian_kernel(query * factor, key * factor, mask)
        else:
            options = getattr(module.config, "polyformer", None) or {}
            weights = SCORES[name](query @ key.transpose(-1, -2) * scale, mask, **options)
        dropped = nn.functional.dropout(weights, dropout, module.training)
        return (dropped @ value).transpose(1, 2).contiguous(), weights

    return attend


def _refuse(name, module, others):
    for term, value in others.items():
        if value is None or term in HARMLESS:
            continue
        what = REFUSED.get(term, "an argument that is not known")
        raise ValueError(f"attention {name}: {type(module).__name__} passes {term}, {what}; use its own attention implementation")
    for term in ("sinks", "position_bias", "softcap"):
        if getattr(module, term, None) is not None:
            what = REFUSED[term]
            raise ValueError(f"attention {name}: {type(module).__name__} has {term}, {what}; use its own attention implementation")


def _multiplicative(name, mask, query, key, is_causal):
    """The library's mask (None, booleans, or 0 and large negative numbers) as 1 and 0. Any other number is a bias, and refused."""
    if mask is None:
        if not is_causal or query.shape[-2] == 1:
            return None
        shape = query.shape[-2], key.shape[-2]
        return torch.ones(shape, dtype=query.dtype, device=query.device).tril(shape[1] - shape[0])
    mask = mask[..., : key.shape[-2]]
    if mask.dtype == torch.bool:
        return mask.to(query.dtype)
    keep = mask == 0
    if _has_numbers(mask) and not (keep | (mask <= HIDDEN)).all():
        worst = mask[~(keep | (mask <= HIDDEN))][0].item()
        raise ValueError(f"attention {name}: the mask holds {worst:.4g}, a bias of the scores; use the model's own attention implementation")
    return keep.to(query.dtype)


def _has_numbers(x):
    """False of tensors that only have shapes: those of the meta device, and fake ones."""
    return not x.is_meta and type(x) is torch.Tensor
