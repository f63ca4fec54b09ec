"""The attention variants under names that Hugging Face models understand.

After `register()`, `model.set_attn_implementation("power_softmax")` switches any model that uses the attention
interface. `from_pretrained(..., attn_implementation="power_softmax")` loads a model with this attention.
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


def register():
    """Registers every name of NAMES, with masks made as for the eager implementation. Calling it twice is harmless."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    for name in NAMES:
        AttentionInterface.register(name, _implementation(name))
        AttentionMaskInterface.register(name, eager_mask)


def _implementation(name):
    def attend(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
        groups = query.shape[1] // key.shape[1]  # grouped queries: each key head serves several
        if groups > 1:
            key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        mask = _multiplicative(attention_mask, query, key)
        if name == "gaussian_kernel":
            weights = gaussian_kernel(query, key, mask)
        else:
            scale = query.shape[-1] ** -0.5 if scaling is None else scaling
            options = getattr(module.config, "polyformer", None) or {}
            weights = SCORES[name](query @ key.transpose(-1, -2) * scale, mask, **options)
        dropped = nn.functional.dropout(weights, dropout, module.training)
        return (dropped @ value).transpose(1, 2).contiguous(), weights

    return attend


def _multiplicative(mask, query, key):
    """The library's mask (None, booleans, or 0 and a very negative number) as 1 and 0."""
    if mask is None:
        return None
    mask = mask[..., : key.shape[-2]]
    keep = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    return keep.to(query.dtype)
